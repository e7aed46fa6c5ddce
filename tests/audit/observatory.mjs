// MDN's HTTP Observatory looks at the site as HOST, wherever the site listens in truth.
//   node observatory.mjs HOST HTTP_PORT HTTPS_PORT   (NODE_EXTRA_CA_CERTS names the certificate)
import { mkdirSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";

const [host, httpPort, httpsPort] = process.argv.slice(2);

for (const [{ Agent }, port] of [[http, httpPort], [https, httpsPort]]) {
  const connect = Agent.prototype.createConnection;
  Agent.prototype.createConnection = function (options, done) {
    return connect.call(this, { ...options, host: "127.0.0.1", port: Number(port) }, done);
  };
}

// The list of hosts that browsers know, which it would fetch when it is installed. HOST is not on it.
const lists = new URL("node_modules/@mdn/mdn-http-observatory/conf/", import.meta.url);
mkdirSync(lists, { recursive: true });
writeFileSync(new URL("hsts-preload.json", lists), "{}");

const { scan } = await import("@mdn/mdn-http-observatory");
console.log(JSON.stringify(await scan(host)));
