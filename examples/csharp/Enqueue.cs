// After a payment: dotnet run -- MERCHANT_ID TSR RELATE_NUMBER DELAY_DAY   (.NET 8 or newer)
// Exit 0: stored. 1: a person must look. 2: nobody knows whether it is stored; run the same again.
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

if (args.Length != 4)
{
    Console.Error.WriteLine("usage: dotnet run -- MERCHANT_ID TSR RELATE_NUMBER DELAY_DAY");
    return 1;
}
var api = (Environment.GetEnvironmentVariable("ECPAYQ_API") ?? "http://127.0.0.1:8970").TrimEnd('/');
var token = Environment.GetEnvironmentVariable("ECPAYQ_TOKEN");
using var handler = new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(3) };
using var http = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(15) }; // one for all requests of a program
if (!string.IsNullOrEmpty(token)) http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);

// Not PostAsJsonAsync, which writes merchantID: names are exact. ECPay is asked by the last two when its answer is lost.
var data = new { MerchantID = args[0], Tsr = args[1], RelateNumber = args[2], DelayDay = int.Parse(args[3]) };
var intent = JsonSerializer.Serialize(new { type = "b2c:trigger_issue", data });

string? why = null;
double retryAfter = 0;
// The same intent has the same id and is stored once, so that it may be sent as often as need be.
foreach (var pause in new[] { 0, 0.5, 1, 2, 4, 8 })
{
    await Task.Delay(TimeSpan.FromSeconds(Math.Max(pause, Math.Min(retryAfter, 60))));
    retryAfter = 0;
    try
    {
        using var content = new StringContent(intent, Encoding.UTF8, "application/json");
        using var response = await http.PostAsync(api + "/v1/intents", content);
        var answer = Parse(await response.Content.ReadAsStringAsync());
        var status = (int)response.StatusCode;
        if (status is 201 or 200 && answer?["id"] is not null) // 200: it was stored before
        {
            Console.WriteLine(answer.ToJsonString());
            return 0;
        }
        retryAfter = response.Headers.RetryAfter?.Delta?.TotalSeconds ?? 0;
        why = (string?)answer?["detail_zh"] ?? $"HTTP {status}";
        if (status >= 500 || status == 408) continue;
        Console.Error.WriteLine("需人工處理：" + string.Join("。", new[] { why, (string?)answer?["advice_zh"] }.OfType<string>()));
        return 1;
    }
    catch (Exception e) when (e is HttpRequestException or TaskCanceledException) { why = e.Message; } // no answer
}
Console.Error.WriteLine($"無法得知是否已儲存，請以相同內容再執行一次：{why}");
return 2;

static JsonObject? Parse(string text)
{
    try { return JsonNode.Parse(text) as JsonObject; } catch (JsonException) { return null; } // a proxy's own page
}
