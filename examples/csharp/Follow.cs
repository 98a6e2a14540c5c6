// Follows how tasks end: dotnet run -- CURSOR_FILE   (.NET 8 or newer)
// Prints one JSON line for each. With ECPAYQ_ONCE=1 it ends when there are no more.
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;

if (args.Length != 1)
{
    Console.Error.WriteLine("usage: dotnet run -- CURSOR_FILE");
    return 1;
}
var once = Environment.GetEnvironmentVariable("ECPAYQ_ONCE") == "1";
var api = (Environment.GetEnvironmentVariable("ECPAYQ_API") ?? "http://127.0.0.1:8970").TrimEnd('/');
var token = Environment.GetEnvironmentVariable("ECPAYQ_TOKEN");
using var handler = new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(3) };
using var http = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(60) }; // longer than the wait
if (!string.IsNullOrEmpty(token)) http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);

for (var cursor = File.Exists(args[0]) ? File.ReadAllText(args[0]).Trim() : ""; ;)
{
    var (status, page, pause) = await Get(cursor);
    var (next, why) = ((string?)page["next"], (string?)page["detail_zh"] ?? $"HTTP {status}");
    if (status == 200 && next is not null)
    {
        var outcomes = page["outcomes"]!.AsArray();
        foreach (var outcome in outcomes) Console.WriteLine(outcome!.ToJsonString()); // after a crash some come again: seq tells
        cursor = Store(next); // only now: what is not dealt with is not passed over
        if (once && outcomes.Count == 0) return 0;
        continue;
    }
    var again = status is 0 or 408 or >= 500;
    Console.Error.WriteLine((again ? "稍後再試：" : "需人工處理：") + why);
    if (status == 410 && next is not null) cursor = Store(next); // some are gone, which a person has to know
    else if (again) await Task.Delay(TimeSpan.FromSeconds(Math.Min(pause, 60)));
    else return 1;
}

// Status 0: no answer came.
async Task<(int Status, JsonObject Page, double Pause)> Get(string cursor)
{
    var after = cursor == "" ? "" : "&after=" + Uri.EscapeDataString(cursor); // none: from the oldest
    try
    {
        using var response = await http.GetAsync($"{api}/v1/outcomes?wait={(once ? "0s" : "25s")}{after}");
        var page = new JsonObject();
        try { page = JsonNode.Parse(await response.Content.ReadAsStringAsync()) as JsonObject ?? page; }
        catch (JsonException) { } // a proxy's own page
        return ((int)response.StatusCode, page, response.Headers.RetryAfter?.Delta?.TotalSeconds ?? 2);
    }
    catch (Exception e) when (e is HttpRequestException or TaskCanceledException) { return (0, new() { ["detail_zh"] = e.Message }, 2); }
}

string Store(string cursor)
{
    File.WriteAllText(args[0] + ".new", cursor);
    File.Move(args[0] + ".new", args[0], overwrite: true); // a crash leaves the old one or the new one
    return cursor;
}
