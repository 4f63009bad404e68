// Calls the service by npm's jayson and prints what came back, as JSON.
const jayson = require("jayson/promise");

const url = new URL(process.env.RPC_URL);
const client = jayson.Client.http({
  host: url.hostname,
  port: url.port,
  path: url.pathname,
  headers: { Authorization: `Bearer ${process.env.SERVICE_KEY}` },
});

async function main() {
  const params = { uid: "7", title: "From Node", idempotency_key: "k" };
  const said = {
    send: await client.request("notifications.send", params),
    again: await client.request("notifications.send", params),
    wrong: await client.request("notifications.send", { uid: "7" }),
    missing: await client.request("nonsense", []),
    batch: await client.request([
      client.request("inbox.unread_count", [["7"]], undefined, false),
      client.request("inbox.unread_count", [["8"]], undefined, false),
    ]),
  };
  process.stdout.write(JSON.stringify(said));
}

main();
