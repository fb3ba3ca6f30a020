//! Tokens: HS256 JWTs that are issued and verified here, and two looser modes for apps with a real login.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, dangerous};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sync::Locked;

/// How far a token is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// HS256 with the server's secret, not expired.
    #[default]
    Verify,
    /// Any well-formed JWT of any algorithm: `sub` and `exp` are believed, the role is the default one.
    Decode,
    /// Any text that is not empty.
    Any,
}

/// What a token says.
#[derive(Debug, Clone, Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    exp: Option<f64>,
    /// Whatever others write here: only a number says something.
    #[serde(default)]
    iat: Value,
    /// In ours, the microsecond that it was issued in.
    #[serde(default)]
    jti: Value,
}

impl Claims {
    /// When the token was issued at the latest, in microseconds since 1970. One that knows whole seconds only may have
    /// been issued at any time of its second; one of ours says it in its id.
    fn issued_by(&self) -> Option<u64> {
        let seconds = self.iat.as_f64()?;
        let id = self.jti.as_str().and_then(|id| id.parse::<u64>().ok());
        let last = if seconds.fract() == 0.0 { MICROS - 1.0 } else { 0.0 };
        let latest = (seconds * MICROS + last).round() as u64;
        Some(
            id.filter(|id| latest.checked_sub(*id).is_some_and(|before| before < MICROS as u64))
                .unwrap_or(latest),
        )
    }
}

/// Microseconds of a second: so finely it is told whether a token was issued before a kick or after it.
const MICROS: f64 = 1e6;

/// Now, in microseconds since 1970, and never twice the same: tokens differ by it, and of a token and a kick one is
/// the earlier.
fn moment() -> u64 {
    static LAST: Mutex<u64> = Mutex::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
    let mut last = LAST.locked();
    *last = now.max(*last + 1);
    *last
}

/// Who a connection belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The user's id.
    pub sub: String,
    /// The user's role; which ones mean something depends on the service.
    pub role: String,
    /// Whether the token itself named the role; else it is the default one.
    pub role_given: bool,
    /// When the token ends, if it ends.
    pub expires: Option<SystemTime>,
    /// Tells two tokens apart without showing them.
    pub fingerprint: String,
}

impl Identity {
    /// Whether the token's end has passed.
    pub fn expired(&self) -> bool {
        self.expires.is_some_and(|end| end <= SystemTime::now())
    }
}

/// Why a token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadToken {
    why: String,
    fingerprint: Option<String>,
}

impl BadToken {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), fingerprint: None }
    }

    /// Tells two tokens apart without showing them; an empty one has none.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }
}

impl fmt::Display for BadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for BadToken {}

/// Tokens remembered as ended by a fault or a kick; the oldest is forgotten first.
const MOST_REVOKED: usize = 1024;
/// The life of a token that shall live longer than a clock can show: a hundred years.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);
/// Tokens remembered as issued, and as accepted; the oldest is forgotten first.
const MOST_ISSUED: usize = 1024;

/// A token that was issued, without the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IssuedToken {
    /// Tells two tokens apart without showing them; the journal has it too.
    pub fingerprint: String,
    /// The user's id.
    pub sub: String,
    /// The role that the token names, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// When it was issued, ISO 8601.
    pub issued: String,
    /// When it ends, ISO 8601.
    pub expires: String,
    /// Whether a fault or a kick has ended it.
    pub revoked: bool,
}

/// From when on a user's tokens are good again.
struct Kick {
    sub: String,
    /// In microseconds since 1970.
    at: u64,
    by: String,
}

/// Issues and judges tokens.
pub struct Authority {
    mode: AuthMode,
    default_role: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    /// Fingerprints and by what they were ended, the oldest first.
    revoked: Mutex<VecDeque<(String, String)>>,
    /// Users whose tokens were all ended, the oldest first.
    kicks: Mutex<VecDeque<Kick>>,
    /// The oldest first.
    issued: Mutex<VecDeque<IssuedToken>>,
    /// Users and fingerprints of tokens that were accepted, the oldest first.
    accepted: Mutex<VecDeque<(String, String)>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Authority {
    /// One that signs and verifies with this secret.
    pub fn new(mode: AuthMode, secret: &str, default_role: &str) -> Self {
        Self {
            mode,
            default_role: default_role.to_owned(),
            signing: EncodingKey::from_secret(secret.as_bytes()),
            verifying: DecodingKey::from_secret(secret.as_bytes()),
            revoked: Mutex::default(),
            kicks: Mutex::default(),
            issued: Mutex::default(),
            accepted: Mutex::default(),
        }
    }

    /// A new token `{sub, role, exp, iat, jti}` that lives for `ttl`, rounded up to whole seconds. No two are the same:
    /// `jti` is the microsecond it was issued in. An empty role is left out: whoever presents the token then has the default one.
    pub fn issue(&self, sub: &str, role: &str, ttl: Duration) -> String {
        let now = SystemTime::now();
        self.issue_until(sub, role, now.checked_add(ttl).unwrap_or(now + FOREVER))
    }

    /// A new token that ends at this instant, which may lie in the past.
    #[expect(clippy::missing_panics_doc, reason = "it does not")]
    pub fn issue_until(&self, sub: &str, role: &str, end: SystemTime) -> String {
        #[derive(Serialize)]
        struct Fresh<'a> {
            sub: &'a str,
            #[serde(skip_serializing_if = "str::is_empty")]
            role: &'a str,
            exp: u64,
            iat: u64,
            jti: String,
        }
        let end = end.duration_since(UNIX_EPOCH).unwrap_or_default();
        let exp = end.as_secs() + u64::from(end.subsec_nanos() > 0);
        let issued_at = moment();
        let fresh = Fresh { sub, role, exp, iat: issued_at / MICROS as u64, jti: issued_at.to_string() };
        let token = jsonwebtoken::encode(&Header::default(), &fresh, &self.signing)
            .expect("texts and numbers always serialise");
        let issued = IssuedToken {
            fingerprint: fingerprint(&token),
            sub: sub.to_owned(),
            role: (!role.is_empty()).then(|| role.to_owned()),
            issued: written(SystemTime::now()),
            expires: written(UNIX_EPOCH + end),
            revoked: false,
        };
        let mut all = self.issued.locked();
        if all.len() == MOST_ISSUED {
            all.pop_front();
        }
        all.push_back(issued);
        token
    }

    /// The last 1,024 tokens that were issued, the oldest first.
    pub fn issued(&self) -> Vec<IssuedToken> {
        let revoked = self.revoked.locked().clone();
        let mut issued: Vec<_> = self.issued.locked().iter().cloned().collect();
        for token in &mut issued {
            token.revoked = revoked.iter().any(|(known, _)| *known == token.fingerprint);
        }
        issued
    }

    /// Who presents this token, or why it is not accepted.
    pub fn judge(&self, token: &str) -> Result<Identity, BadToken> {
        if token.is_empty() {
            return Err(BadToken::new("the token is empty"));
        }
        let known = fingerprint(token);
        self.recognise(token, known.clone()).map_err(|bad| BadToken { fingerprint: Some(known), ..bad })
    }

    fn recognise(&self, token: &str, fingerprint: String) -> Result<Identity, BadToken> {
        let bad = |why: &str| BadToken::new(why);
        if let Some((_, by)) = self.revoked.locked().iter().find(|(known, _)| *known == fingerprint) {
            return Err(BadToken::new(format!("the token was ended by {by}")));
        }
        let claims = match self.mode {
            AuthMode::Verify => self.verify(token)?,
            AuthMode::Decode => dangerous::insecure_decode_claims(token)
                .map(|claims: Claims| Claims { role: None, ..claims })
                .map_err(|e| BadToken::new(format!("not a JWT with a sub: {e}")))?,
            AuthMode::Any => {
                let stranger = |_| Claims {
                    sub: format!("user-{fingerprint}"),
                    role: None,
                    exp: None,
                    iat: Value::Null,
                    jti: Value::Null,
                };
                let claims = dangerous::insecure_decode_claims(token).unwrap_or_else(stranger);
                Claims { role: None, exp: None, ..claims }
            }
        };
        if let Some(by) = self.kicked(&claims) {
            return Err(BadToken::new(format!("the token was ended by {by}")));
        }
        let identity = Identity {
            sub: claims.sub,
            role_given: claims.role.is_some(),
            role: claims.role.unwrap_or_else(|| self.default_role.clone()),
            expires: claims.exp.map(instant_of),
            fingerprint,
        };
        if identity.expired() {
            return Err(bad("the token has expired"));
        }
        let seen = (identity.sub.clone(), identity.fingerprint.clone());
        let mut accepted = self.accepted.locked();
        if !accepted.contains(&seen) {
            if accepted.len() == MOST_ISSUED {
                accepted.pop_front();
            }
            accepted.push_back(seen);
        }
        drop(accepted);
        Ok(identity)
    }

    /// What has ended all tokens of the user that were issued up to then, if this is one of them.
    fn kicked(&self, claims: &Claims) -> Option<String> {
        let issued = claims.issued_by()?;
        let kicks = self.kicks.locked();
        kicks.iter().find(|kick| kick.sub == claims.sub && issued <= kick.at).map(|kick| kick.by.clone())
    }

    /// From now on every token of this user is refused that was issued before, wherever that was; a new one is not. Of
    /// tokens that do not say when they were issued, or only in whole seconds, those that were shown here.
    pub(crate) fn revoke_all(&self, sub: &str, by: &str) {
        let mut kicks = self.kicks.locked();
        kicks.retain(|kick| kick.sub != sub);
        if kicks.len() == MOST_REVOKED {
            kicks.pop_front();
        }
        kicks.push_back(Kick { sub: sub.to_owned(), at: moment(), by: by.to_owned() });
        drop(kicks);
        let issued: Vec<_> =
            self.issued.locked().iter().map(|t| (t.sub.clone(), t.fingerprint.clone())).collect();
        let accepted = self.accepted.locked().clone();
        let of_user = issued.into_iter().chain(accepted).filter(|(whose, _)| whose == sub);
        of_user.for_each(|(_, fingerprint)| self.revoke(&fingerprint, by));
    }

    /// From now on this token is refused as if its `exp` had passed; whoever shows it learns by what.
    pub(crate) fn revoke(&self, fingerprint: &str, by: &str) {
        let mut revoked = self.revoked.locked();
        if revoked.iter().any(|(known, _)| known == fingerprint) {
            return;
        }
        if revoked.len() == MOST_REVOKED {
            revoked.pop_front();
        }
        revoked.push_back((fingerprint.to_owned(), by.to_owned()));
    }

    /// Accepts again what was ended by a fault or a kick.
    pub(crate) fn reset(&self) {
        self.revoked.locked().clear();
        self.kicks.locked().clear();
    }

    fn verify(&self, token: &str) -> Result<Claims, BadToken> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.leeway = 0;
        rules.validate_aud = false;
        rules.validate_exp = false; // judged by the caller, to the fraction of a second
        jsonwebtoken::decode(token, &self.verifying, &rules)
            .map(|data| data.claims)
            .map_err(|e| BadToken::new(format!("the token does not verify: {e}")))
    }
}

/// An instant as JSON has it; no clock can show more than the year 9999.
pub(crate) fn written(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at.min(UNIX_EPOCH + Duration::from_secs(253_402_300_799))).to_string()
}

/// The instant of a JWT's `exp`; what no clock can show is the far future.
fn instant_of(exp: f64) -> SystemTime {
    let far = Duration::from_secs(1 << 40);
    UNIX_EPOCH + Duration::try_from_secs_f64(exp.max(0.0)).unwrap_or(far).min(far)
}

/// Eight hex digits that tell tokens apart and reveal nothing of them.
pub(crate) fn fingerprint(token: &str) -> String {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    format!("{:08x}", hasher.finish() >> 32)
}

/// The token of an `Authorization: Bearer` header, if there is such a header.
pub(crate) fn bearer(headers: &axum::http::HeaderMap) -> Option<&str> {
    let value = headers.get(axum::http::header::AUTHORIZATION)?.to_str().unwrap_or("");
    let token = value.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer "));
    Some(token.map_or("", |(_, token)| token.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn what_it_issues_it_accepts_and_nobody_elses() {
        let ours = Authority::new(AuthMode::Verify, "a", "user");
        let theirs = Authority::new(AuthMode::Verify, "b", "user");
        let who = ours.judge(&ours.issue("u1", "patient", HOUR)).unwrap();
        assert_eq!((who.sub.as_str(), who.role.as_str()), ("u1", "patient"));
        assert!(ours.judge(&theirs.issue("u1", "patient", HOUR)).is_err());
        assert!(ours.judge("").is_err());
        assert!(ours.judge("good").is_err());
    }

    #[test]
    fn an_expired_token_is_refused_without_leeway_unless_anything_goes() {
        let past = SystemTime::now() - Duration::from_secs(1);
        let verify = Authority::new(AuthMode::Verify, "a", "user");
        let token = verify.issue_until("u1", "patient", past);
        assert!(verify.judge(&token).is_err());
        assert!(Authority::new(AuthMode::Decode, "x", "user").judge(&token).is_err());
        assert_eq!(Authority::new(AuthMode::Any, "x", "user").judge(&token).unwrap().sub, "u1");
    }

    #[test]
    fn decode_believes_sub_and_gives_the_default_role() {
        let foreign = Authority::new(AuthMode::Verify, "elsewhere", "user").issue("u9", "admin", HOUR);
        let who = Authority::new(AuthMode::Decode, "here", "user").judge(&foreign).unwrap();
        assert_eq!((who.sub.as_str(), who.role.as_str()), ("u9", "user"));
    }

    #[test]
    fn the_oldest_of_too_many_revoked_tokens_is_forgotten() {
        let authority = Authority::new(AuthMode::Any, "a", "user");
        let first = authority.judge("first").unwrap().fingerprint;
        let second = authority.judge("second").unwrap().fingerprint;
        authority.revoke(&first, "x");
        authority.revoke(&second, "x");
        (2..=MOST_REVOKED).for_each(|n| authority.revoke(&n.to_string(), "x"));
        assert!(authority.judge("first").is_ok());
        assert!(authority.judge("second").is_err());
    }

    #[test]
    fn what_was_issued_is_listed_without_the_token() {
        let authority = Authority::new(AuthMode::Verify, "a", "user");
        let far = Duration::from_secs(u64::from(u32::MAX) * 400);
        let tokens = [authority.issue("u1", "patient", HOUR), authority.issue("u2", "", far)];
        authority.revoke(&authority.judge(&tokens[1]).unwrap().fingerprint, "x");
        let listed = authority.issued();
        let told: Vec<_> = listed.iter().map(|t| (t.sub.as_str(), t.role.as_deref(), t.revoked)).collect();
        assert_eq!(told, [("u1", Some("patient"), false), ("u2", None, true)]);
        let text = serde_json::to_string(&listed).unwrap();
        assert!(tokens.iter().all(|token| !text.contains(token.as_str())), "{text}");
        (0..=MOST_ISSUED).for_each(|n| drop(authority.issue(&n.to_string(), "", HOUR)));
        assert_eq!(authority.issued().len(), MOST_ISSUED);
    }

    #[test]
    fn no_two_tokens_are_the_same() {
        let authority = Authority::new(AuthMode::Verify, "a", "user");
        let tokens: std::collections::BTreeSet<_> =
            (0..1000).map(|_| authority.issue("u1", "patient", HOUR)).collect();
        assert_eq!(tokens.len(), 1000);
        assert!(tokens.iter().all(|token| authority.judge(token).is_ok()));
    }

    #[test]
    fn a_kick_ends_tokens_that_were_never_shown_and_none_that_comes_later() {
        let elsewhere = Authority::new(AuthMode::Verify, "a", "user");
        let here = Authority::new(AuthMode::Verify, "a", "user");
        // All within one second, mostly.
        for _ in 0..100 {
            let (before, other) = (elsewhere.issue("u1", "", HOUR), elsewhere.issue("u2", "", HOUR));
            here.revoke_all("u1", "a kick");
            let why = here.judge(&before).unwrap_err();
            assert_eq!(why.to_string(), "the token was ended by a kick");
            assert_eq!(why.fingerprint(), Some(fingerprint(&before).as_str()));
            for good in [elsewhere.issue("u1", "", HOUR), here.issue("u1", "", HOUR), other] {
                assert!(here.judge(&good).is_ok());
            }
        }
        let before = elsewhere.issue("u1", "", HOUR);
        here.revoke_all("u1", "a kick");
        here.reset();
        assert!(here.judge(&before).is_ok());
    }

    #[test]
    fn the_token_of_a_login_that_knows_whole_seconds_only_is_good_in_the_second_of_the_kick() {
        let here = Authority::new(AuthMode::Decode, "a", "user");
        let login = |iat: Value| {
            let claims = serde_json::json!({"sub": "u1", "iat": iat});
            jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(b"login")).unwrap()
        };
        let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (old, shown) = (login((second() - 2).into()), login("long ago".into()));
        assert!(here.judge(&shown).is_ok());
        here.revoke_all("u1", "a kick");
        let fresh = login(second().into());
        assert!(here.judge(&fresh).is_ok());
        assert!(here.judge(&old).is_err() && here.judge(&shown).is_err());
    }

    #[test]
    fn a_revoked_token_is_refused_until_the_reset() {
        let authority = Authority::new(AuthMode::Any, "a", "user");
        let who = authority.judge("some text").unwrap();
        assert!(who.sub.starts_with("user-"));
        authority.revoke(&who.fingerprint, "the fault expire_token");
        let why = authority.judge("some text").unwrap_err().to_string();
        assert_eq!(why, "the token was ended by the fault expire_token");
        authority.reset();
        assert!(authority.judge("some text").is_ok());
    }
}
