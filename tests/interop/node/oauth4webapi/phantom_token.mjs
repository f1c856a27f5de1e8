import assert from 'node:assert/strict'

import * as oauth from 'oauth4webapi'

import { discover, insecure, requestClientToken } from './connect.mjs'

/** A resource server's part: opaque token in, JWT out, and the JWT by RFC 9068's own rules. */
export default async function (config) {
  const as = await discover(config)
  const { access_token: token } = await requestClientToken(config, as)
  const { client_id, client_secret } = config.resource_server

  const response = await fetch(as.introspection_endpoint, {
    method: 'POST',
    headers: {
      accept: 'application/jwt',
      authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`,
    },
    body: new URLSearchParams({ token }),
  })
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'application/jwt')
  const jwt = await response.text()

  const request = () =>
    new Request(config.resource, { headers: { authorization: `Bearer ${jwt}` } })
  const claims = await oauth.validateJwtAccessToken(as, request(), config.resource, insecure)
  assert.equal(claims.client_id, config.client.client_id)
  assert.equal(claims.scope, config.scope)
  await assert.rejects(
    oauth.validateJwtAccessToken(as, request(), 'https://another.interop.example/', insecure),
    { message: /aud/ },
  )
}
