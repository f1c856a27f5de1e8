import assert from 'node:assert/strict'

import * as oauth from 'oauth4webapi'

import { insecure } from './connect.mjs'

/** From nothing but an API's address to the token service that the API trusts (RFC 9728). */
export default async function (config) {
  const resource = new URL(config.resource)
  const known = await oauth.resourceDiscoveryRequest(resource)
  const api = await oauth.processResourceDiscoveryResponse(resource, known)
  assert.deepEqual(api.authorization_servers, [config.issuer])
  assert.ok(api.scopes_supported.includes(config.scope))

  const refused = await fetch(config.url)
  assert.equal(refused.status, 401)
  const challenge = refused.headers.get('www-authenticate')
  const told = await fetch(/resource_metadata="([^"]+)"/.exec(challenge)[1])
  assert.deepEqual(await oauth.processResourceDiscoveryResponse(resource, told), api)

  const issuer = new URL(api.authorization_servers[0])
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
  const as = await oauth.processDiscoveryResponse(issuer, response)
  assert.ok(as.code_challenge_methods_supported.includes('S256'))
}
