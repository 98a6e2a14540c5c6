// Receives how tasks end: POST /ecpayq, in a project of `dotnet new web`   (.NET 8 or newer)
// Each outcome becomes a file in ECPAYQ_WEBHOOK_DIR. Deal with its *.json in the order of their names.
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

string Need(string name) => Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"未設定 {name}");
var dir = Need("ECPAYQ_WEBHOOK_DIR");
var secret = Environment.GetEnvironmentVariable("ECPAYQ_WEBHOOK_SECRET") ?? File.ReadAllText(Need("ECPAYQ_WEBHOOK_SECRET_FILE"));
var builder = WebApplication.CreateBuilder(args);
builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = 1 << 20);
var app = builder.Build();
app.MapPost("/ecpayq", async (HttpRequest request) =>
{
    using var copy = new MemoryStream();
    await request.Body.CopyToAsync(copy);
    var (body, id) = (copy.ToArray(), request.Headers["webhook-id"].ToString());
    var (timestamp, signatures) = (request.Headers["webhook-timestamp"].ToString(), request.Headers["webhook-signature"].ToString());
    long seq;
    try { seq = (long)Verify(body, id, timestamp, signatures, secret)["seq"]!; }
    catch (Refused e)
    {
        app.Logger.LogWarning("拒收：{Why}", e.Message);
        return Results.StatusCode(401);
    }
    // One that is sent again has the same webhook-id, and so the same name. Some come late: of a task, what has the highest seq stands.
    var name = $"{seq:D16}-{Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(id)))}.json";
    var file = Path.Combine(dir, name);
    if (!File.Exists(file)) // with a database: an INSERT of a unique webhook_id
    {
        var whole = $"{file}.{Guid.NewGuid()}";
        using (var stream = File.Create(whole)) { await stream.WriteAsync(body); stream.Flush(flushToDisk: true); }
        File.Move(whole, file, overwrite: true);
    }
    return Results.NoContent();
});
app.Run();

// body are the bytes as they came, for JSON that is encoded again is other bytes.
static JsonObject Verify(byte[] body, string id, string timestamp, string signatures, string secret, long? now = null)
{
    var text = secret.Trim();
    if (text.StartsWith("whsec_", StringComparison.Ordinal)) text = text[6..];
    var key = Convert.FromBase64String(text);
    if (key.Length < 24) throw new FormatException("webhook 密鑰有誤：應為 whsec_ 加上 base64");
    if (id == "" || !long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var at)
        || Math.Abs((now ?? DateTimeOffset.UtcNow.ToUnixTimeSeconds()) - at) > 300) throw new Refused("缺少標頭，或時間與本機相差超過 5 分鐘");
    byte[] signed = [.. Encoding.UTF8.GetBytes($"{id}.{at}."), .. body];
    var right = Encoding.UTF8.GetBytes("v1," + Convert.ToBase64String(HMACSHA256.HashData(key, signed)));
    foreach (var signature in signatures.Split(' ')) // two while the secret is being changed; v1a and others are passed over
        if (CryptographicOperations.FixedTimeEquals(right, Encoding.UTF8.GetBytes(signature))) return JsonNode.Parse(body)!.AsObject();
    throw new Refused("簽章不符");
}

sealed class Refused(string message) : Exception(message); // it is not from ecpayq, or not from now
