import assert from 'node:assert/strict'

import * as oauth from 'oauth4webapi'

import { authenticate, discover, insecure, requestClientToken } from './connect.mjs'

export default async function (config) {
  const as = await discover(config)
  const { access_token: token } = await requestClientToken(config, as)
  const server = config.resource_server

  const response = await oauth.introspectionRequest(
    as,
    server,
    authenticate(server),
    token,
    insecure,
  )
  const answer = await oauth.processIntrospectionResponse(as, server, response)

  assert.equal(answer.active, true)
  assert.equal(answer.iss, config.issuer)
  assert.equal(answer.client_id, config.client.client_id)
  assert.deepEqual([answer.aud].flat(), [config.resource])
}
