import assert from 'node:assert/strict'

import * as oauth from 'oauth4webapi'

import { authenticate, discover, insecure, requestClientToken } from './connect.mjs'

/** RFC 9701: the answer is a JWT for the caller, and the library checks all that it must. */
export default async function (config) {
  const as = await discover(config)
  const { access_token: token } = await requestClientToken(config, as)
  const server = config.resource_server
  const introspect = async (presented) => {
    const auth = authenticate(server)
    const response = await oauth.introspectionRequest(as, server, auth, presented, {
      requestJwtResponse: true,
      ...insecure,
    })
    assert.equal(response.headers.get('content-type'), 'application/token-introspection+jwt')
    const jwt = await response.clone().text()
    const answer = await oauth.processIntrospectionResponse(as, server, response)
    await oauth.validateApplicationLevelSignature(as, response, insecure)
    return { answer, jwt }
  }

  const live = await introspect(token)
  assert.equal(live.answer.active, true)
  assert.equal(live.answer.client_id, config.client.client_id)
  const unknown = await introspect(config.unknown_token)
  assert.equal(unknown.answer.active, false)

  // RFC 9701 §8.1: it is no access token, whoever it is sent to.
  for (const audience of [config.resource, server.client_id]) {
    const request = new Request(config.resource, {
      headers: { authorization: `Bearer ${live.jwt}` },
    })
    await assert.rejects(oauth.validateJwtAccessToken(as, request, audience, insecure))
  }
}
