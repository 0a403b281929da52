// An API behind HTTP authentication by `http-auth`: a user "bob", whose password is the argument after the scheme.
// It prints {"port"} and answers who asked for what, with the body as it came.
const { createHash } = require("node:crypto");
const http = require("node:http");
const auth = require("http-auth");

const [scheme, algorithm, password] = process.argv.slice(2);
const realm = "pets & more";
const options = { realm, ...(algorithm === "-" ? {} : { algorithm }) };
const guard =
  scheme === "basic"
    ? auth.basic(options, (name, given, told) => told(name === "bob" && given === password))
    : auth.digest(options, (name, told) => told(name === "bob" ? createHash("md5").update(`bob:${realm}:${password}`).digest("hex") : null));

const api = http.createServer(
  guard.check((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
      response.setHeader("content-type", "application/json");
      const body = Buffer.concat(pieces).toString();
      response.end(JSON.stringify({ user: request.user, method: request.method, url: request.url, body }));
    });
  }),
);
api.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: api.address().port })));
