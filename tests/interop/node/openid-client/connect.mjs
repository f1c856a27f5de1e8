// What every openid-client scenario begins with.
import * as oidc from 'openid-client'

import { follow } from '../person.mjs'

/** The configuration of a registered client; `auth` is how it proves itself. */
export async function connect(config, auth, metadata = {}, algorithm = 'oidc') {
  const { client_id, client_secret, id_token_signed_response_alg } = config.client
  return oidc.discovery(
    new URL(config.issuer),
    client_id,
    { client_secret, id_token_signed_response_alg, ...metadata },
    auth ?? (client_secret ? oidc.ClientSecretBasic(client_secret) : oidc.None()),
    { algorithm, execute: [oidc.allowInsecureRequests] }, // the issuer is on loopback
  )
}

/** A fresh authorization request, and the checks that its answer must pass. */
export async function prepare(config, parameters = {}) {
  const verifier = oidc.randomPKCECodeVerifier()
  const state = oidc.randomState()
  const nonce = oidc.randomNonce()
  return {
    parameters: {
      redirect_uri: config.client.redirect_uris[0],
      scope: config.scope,
      resource: config.resource,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
      ...parameters,
    },
    checks: {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    },
  }
}

/** Tokens by authorization code, the person included. */
export async function signIn(config, as, { parameters, checks, options } = {}) {
  const asked = await prepare(config, parameters)
  const returned = await follow(config, oidc.buildAuthorizationUrl(as, asked.parameters))
  return oidc.authorizationCodeGrant(as, returned, { ...asked.checks, ...checks }, {}, options)
}
