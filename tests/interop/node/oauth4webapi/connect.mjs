// What every oauth4webapi scenario begins with. The library does one step of a protocol at a time
// and forgives nothing; `insecure` is for the issuer alone, which is on loopback.
import * as oauth from 'oauth4webapi'

import { follow } from '../person.mjs'

export const insecure = { [oauth.allowInsecureRequests]: true }

export async function discover(config, algorithm = 'oauth2') {
  const issuer = new URL(config.issuer)
  const response = await oauth.discoveryRequest(issuer, { algorithm, ...insecure })
  return oauth.processDiscoveryResponse(issuer, response)
}

export function authenticate({ client_secret }) {
  return client_secret ? oauth.ClientSecretBasic(client_secret) : oauth.None()
}

/** The person's answer to a fresh authorization request. `push` may replace its parameters. */
export async function ask(config, as, parameters = {}, push = (all) => all) {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const nonce = oauth.generateRandomNonce()
  const url = new URL(as.authorization_endpoint)
  url.search = await push(
    new URLSearchParams({
      client_id: config.client.client_id,
      redirect_uri: config.client.redirect_uris[0],
      response_type: 'code',
      scope: config.scope,
      resource: config.resource,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
      ...parameters,
    }),
  )
  const answer = oauth.validateAuthResponse(as, config.client, await follow(config, url), state)
  return { answer, verifier, nonce }
}

export async function redeem(config, as, { answer, verifier, nonce }, options = {}, auth) {
  const response = await oauth.authorizationCodeGrantRequest(
    as,
    config.client,
    auth ?? authenticate(config.client),
    answer,
    config.client.redirect_uris[0],
    verifier,
    { ...insecure, ...options },
  )
  return oauth.processAuthorizationCodeResponse(as, config.client, response, {
    expectedNonce: nonce,
    requireIdToken: true,
  })
}

/** An access token in the client's own name. */
export async function requestClientToken(config, as) {
  const response = await oauth.clientCredentialsGrantRequest(
    as,
    config.client,
    authenticate(config.client),
    { scope: config.scope, resource: config.resource },
    insecure,
  )
  return oauth.processClientCredentialsResponse(as, config.client, response)
}
