// node-oidc-provider as its documentation sets it up, with dynamic registration and its management, machines and introspection:
// server.mjs PORT FOLDER sqlite|memory. Nobody signs in: what needs a person is not measured.
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import Database from "better-sqlite3";
import { errors, Provider } from "oidc-provider";

const [port, folder, kept] = process.argv.slice(2);
const SIGNED = "https://jwt.example";

// One table for everything, as the adapters of its examples have it; statements are prepared once.
const db = kept === "sqlite" ? new Database(join(folder, "provider.sqlite3")) : undefined;
if (db) {
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.exec(`CREATE TABLE things (id TEXT NOT NULL, payload TEXT NOT NULL, grant_id TEXT, user_code TEXT, uid TEXT, expires_at INTEGER);
    CREATE UNIQUE INDEX things_id ON things (id); CREATE INDEX things_grant ON things (grant_id) WHERE grant_id IS NOT NULL;
    CREATE INDEX things_code ON things (user_code) WHERE user_code IS NOT NULL; CREATE INDEX things_uid ON things (uid) WHERE uid IS NOT NULL`);
}
const now = () => Math.floor(Date.now() / 1000);
const alive = (row) => (row && !(row.expires_at && row.expires_at <= now()) ? JSON.parse(row.payload) : undefined);
const say = db && {
  put: db.prepare(`INSERT INTO things (id, payload, grant_id, user_code, uid, expires_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id)
    DO UPDATE SET payload = excluded.payload, grant_id = excluded.grant_id, user_code = excluded.user_code, uid = excluded.uid,
    expires_at = excluded.expires_at`),
  get: db.prepare("SELECT payload, expires_at FROM things WHERE id = ?"),
  byCode: db.prepare("SELECT payload, expires_at FROM things WHERE user_code = ?"),
  byUid: db.prepare("SELECT payload, expires_at FROM things WHERE uid = ?"),
  used: db.prepare("UPDATE things SET payload = json_set(payload, '$.consumed', ?) WHERE id = ?"),
  drop: db.prepare("DELETE FROM things WHERE id = ?"),
  end: db.prepare("DELETE FROM things WHERE grant_id = ?"),
};

class OnSqlite {
  constructor(kind) { this.kind = kind; }
  key(id) { return `${this.kind}:${id}`; }
  async upsert(id, payload, expiresIn) {
    const until = expiresIn ? now() + expiresIn : null;
    say.put.run(this.key(id), JSON.stringify(payload), payload.grantId ?? null, payload.userCode ?? null, payload.uid ?? null, until);
  }
  async find(id) { return alive(say.get.get(this.key(id))); }
  async findByUserCode(code) { return alive(say.byCode.get(code)); }
  async findByUid(uid) { return alive(say.byUid.get(uid)); }
  async consume(id) { say.used.run(now(), this.key(id)); }
  async destroy(id) { say.drop.run(this.key(id)); }
  async revokeByGrantId(grant) { say.end.run(grant); }
}

const things = new Map();
class InMemory {
  constructor(kind) { this.kind = kind; }
  key(id) { return `${this.kind}:${id}`; }
  async upsert(id, payload, expiresIn) { things.set(this.key(id), { payload, until: expiresIn ? now() + expiresIn : Infinity }); }
  async find(id) { const one = things.get(this.key(id)); return one && one.until > now() ? one.payload : undefined; }
  async findByUserCode() { return undefined; }
  async findByUid() { return undefined; }
  async consume(id) { things.get(this.key(id)).payload.consumed = now(); }
  async destroy(id) { things.delete(this.key(id)); }
  async revokeByGrantId() {}
}

const key = (type, options, alg) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }), alg, use: "sig" });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: db ? OnSqlite : InMemory,
  jwks: { keys: [key("rsa", { modulusLength: 2048 }, "RS256"), key("ec", { namedCurve: "P-256" }, "ES256")] },
  cookies: { keys: ["a key for the benchmark"] },
  scopes: ["openid", "profile", "email", "offline_access", "jobs"],
  responseTypes: ["code"],
  clientDefaults: { grant_types: ["authorization_code"], response_types: ["code"] },
  routes: { registration: "/register", token: "/token", introspection: "/introspect", authorization: "/authorize", jwks: "/jwks" },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(_, indicator) {
        if (indicator !== SIGNED) throw new errors.InvalidTarget();
        return { scope: "jobs", accessTokenTTL: 3600, accessTokenFormat: "jwt", jwt: { sign: { alg: "ES256" } } };
      },
    },
  },
});
provider.listen(Number(port), "127.0.0.1");
