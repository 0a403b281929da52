// A certified authorization server on the loopback interface, for clients that authorize themselves.
//
// Its port is written to standard output as JSON: {"port": PORT}. Clients register themselves (RFC 7591), or are "registered"; they name
// the resource they want (RFC 8707) and get JWT access tokens for it (RFC 9068). Whoever comes is logged in as "alice", who
// agrees to everything. Each scope of the command line is known; without any, "mcp:call". CLIENTS in the environment is a
// JSON array of further clients (RFC 7591), which get refresh tokens that are replaced at each use.
"use strict";

const { generateKeyPairSync } = require("node:crypto");
const http = require("node:http");
const { pathToFileURL } = require("node:url");

const port = () => server.address().port;
const server = http.createServer();
const scopes = process.argv.length > 2 ? process.argv.slice(2) : ["mcp:call"];

async function answerInteraction(provider, request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    await provider.interactionFinished(request, response, { login: { accountId: "alice" } });
    return;
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(["openid", "offline_access", ...scopes].join(" "));
  for (const [resource, missing] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, missing.join(" "));
  }
  await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}

async function main() {
  const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const provider = new Provider(`http://127.0.0.1:${port()}`, {
    scopes: ["openid", "offline_access", ...scopes],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      registration: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({
          audience: resource,
          scope: scopes.join(" "),
          accessTokenFormat: "jwt",
          accessTokenTTL: 300,
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
    issueRefreshToken: async (_, client) => client.grantTypeAllowed("refresh_token"),
    rotateRefreshToken: true,
    clients: [
      ...JSON.parse(process.env.CLIENTS ?? "[]"),
      {
        client_id: "registered",
        application_type: "native",
        redirect_uris: ["http://127.0.0.1:1/callback"],
        grant_types: ["authorization_code", "refresh_token"],
      },
    ],
    clientDefaults: { token_endpoint_auth_method: "none" },
    jwks: { keys: [generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" })] },
    cookies: { keys: ["loopback"] },
  });
  const answer = provider.callback();
  server.on("request", (request, response) => {
    const done = request.url.startsWith("/interaction/")
      ? answerInteraction(provider, request, response)
      : answer(request, response);
    Promise.resolve(done).catch((error) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  });
  process.stdout.write(`${JSON.stringify({ port: port() })}\n`);
}

main();
