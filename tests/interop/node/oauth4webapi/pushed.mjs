import assert from 'node:assert/strict'

import * as oauth from 'oauth4webapi'

import { ask, authenticate, discover, insecure, redeem } from './connect.mjs'

export default async function (config) {
  const as = await discover(config)
  const push = async (parameters) => {
    const response = await oauth.pushedAuthorizationRequest(
      as,
      config.client,
      authenticate(config.client),
      parameters,
      insecure,
    )
    const { request_uri, expires_in } = await oauth.processPushedAuthorizationResponse(
      as,
      config.client,
      response,
    )
    assert.ok(request_uri.startsWith('urn:ietf:params:oauth:request_uri:'))
    assert.ok(expires_in > 0)
    return new URLSearchParams({ client_id: config.client.client_id, request_uri })
  }

  const asked = await ask(config, as, {}, push)
  const tokens = await redeem(config, as, asked)
  assert.equal(oauth.getValidatedIdTokenClaims(tokens).nonce, asked.nonce)

  await assert.rejects(
    push(new URLSearchParams({ response_type: 'code', redirect_uri: 'https://evil.example/' })),
    { error: 'invalid_request', status: 400 },
  )
}
