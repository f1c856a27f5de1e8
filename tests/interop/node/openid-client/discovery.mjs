import assert from 'node:assert/strict'

import { connect } from './connect.mjs'

export default async function (config) {
  const openid = (await connect(config, undefined, {}, 'oidc')).serverMetadata()
  const oauth = (await connect(config, undefined, {}, 'oauth2')).serverMetadata()

  assert.equal(openid.issuer, config.issuer)
  assert.equal(openid.supportsPKCE(), true)
  assert.deepEqual({ ...oauth }, { ...openid })
}
