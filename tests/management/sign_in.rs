//! Signing in, the throttle, sessions, and recovering a forgotten password.

use crate::world::{NOW, Sent, World};
use edgeway::time::Millis;
use serde_json::json;

#[test]
fn the_first_administrator_signs_in_with_the_variables() {
    let world = World::new();
    let answer = world.login_from("192.0.2.1", "admin", "the first password");
    let cookie = answer.header("set-cookie").unwrap().to_owned();
    assert!(cookie.starts_with("edgeway_session=") && cookie.ends_with("HttpOnly; SameSite=Lax; Secure"));
    let body = answer.expect(200);
    assert_eq!(body["user"]["username"], "admin");
    assert_eq!(body["user"]["role"], "admin");
    assert_eq!(body["expires_at"], NOW.plus(Millis(7 * Millis::DAY.0)).to_iso());
    let me = world.admin().get("/api/auth/me").expect(200);
    assert_eq!(me["id"], body["user"]["id"], "a second sign-in creates nobody");
}

#[test]
fn the_cookie_signs_in_but_not_for_a_page_of_another_origin() {
    let world = World::with(&[("CORS_ORIGINS", "https://front.test")]);
    let token = world.admin().token;
    let send = |method, origin: &str| {
        let headers = vec![
            ("cookie", format!("theme=dark; edgeway_session={token}")),
            ("host", "gateway.test".into()),
            ("content-type", "application/json".into()),
            ("origin", origin.into()),
        ];
        world.send(Sent { method, target: "/api/routers", headers, body: br#"{"name":"r"}"#.to_vec() }).status
    };
    assert_eq!(send("GET", "https://gateway.test"), 200);
    assert_eq!(send("POST", "https://evil.gateway.test"), 403);
    assert_eq!(send("POST", "https://front.test"), 201);
}

#[test]
fn a_forged_expired_or_ended_session_is_refused() {
    let world = World::new();
    let session = world.admin();
    let forged = crate::world::Session { world: &world, token: session.token.replace('.', ".1") };
    assert_eq!(forged.get("/api/auth/me").status, 401);

    let other = world.admin();
    session.post("/api/auth/logout", json!({})).expect(200);
    assert_eq!(session.get("/api/auth/me").status, 401, "ended");
    assert_eq!(other.get("/api/auth/me").status, 200, "another session goes on");

    world.pass(Millis(7 * Millis::DAY.0));
    assert_eq!(other.get("/api/auth/me").status, 401, "expired");
}

#[test]
fn ten_failures_close_the_door_even_to_the_right_password() {
    let world = World::new();
    world.admin();
    for _ in 0..10 {
        assert_eq!(world.login_from("192.0.2.9", "admin", "wrong").status, 401);
        world.pass(Millis(1000));
    }
    let derivations = world.derivations.get();
    let refused = world.login_from("192.0.2.9", "Admin", "the first password");
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("890"), "until the first of the ten is 15 minutes old");
    assert_eq!(world.derivations.get(), derivations, "a throttled attempt costs no derivation");
    assert_eq!(world.login_from("192.0.2.10", "admin", "the first password").status, 200, "another address");
    world.pass(Millis(890_000));
    assert_eq!(world.login_from("192.0.2.9", "admin", "the first password").status, 200);
}

#[test]
fn a_hundred_failures_from_anywhere_close_the_door_of_a_name() {
    let world = World::new();
    world.admin();
    for attempt in 0..100 {
        let address = format!("192.0.2.{}", attempt / 9);
        assert_eq!(world.login_from(&address, "admin", "wrong").status, 401, "{attempt}");
    }
    assert_eq!(world.login_from("198.51.100.1", "admin", "the first password").status, 429);
    assert_eq!(
        world.login_from("198.51.100.1", "somebody", "wrong").status,
        401,
        "other names are not concerned"
    );
    world.pass(Millis(15 * Millis::MINUTE.0));
    world.login("admin", "the first password");
    let left: i64 =
        world.store.0.query_row("SELECT count(*) FROM login_failures", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0, "old failures are cleared away");
}

#[test]
fn success_forgives_earlier_failures() {
    let world = World::new();
    for _ in 0..3 {
        for _ in 0..9 {
            world.login_from("192.0.2.1", "admin", "wrong");
        }
        world.login("admin", "the first password");
    }
}

#[test]
fn an_unknown_name_costs_as_much_as_a_known_one() {
    let world = World::new();
    world.admin();
    let cost_of = |username| {
        let before = world.derivations.get();
        assert_eq!(world.login_from("192.0.2.2", username, "wrong").status, 401);
        world.derivations.get() - before
    };
    assert_eq!(cost_of("admin"), 1);
    assert_eq!(cost_of("nobody"), 1);
}

#[test]
fn a_changed_password_ends_the_other_sessions_and_the_old_one() {
    let world = World::new();
    let (session, other) = (world.admin(), world.admin());
    assert_eq!(
        session
            .put("/api/auth/password", json!({ "current": "wrong", "new": "a new password" }))
            .refused(403),
        "current"
    );
    assert_eq!(
        session
            .put("/api/auth/password", json!({ "current": "the first password", "new": "short" }))
            .refused(400),
        "new"
    );
    session
        .put("/api/auth/password", json!({ "current": "the first password", "new": "a new password" }))
        .expect(200);
    assert_eq!(session.get("/api/auth/me").status, 200);
    assert_eq!(other.get("/api/auth/me").status, 401);
    world.login("admin", "a new password");
    assert_eq!(
        world.login_from("192.0.2.1", "admin", "the first password").status,
        401,
        "the variable was used up when it was first used"
    );
}

#[test]
fn a_stolen_session_cannot_guess_the_password() {
    let world = World::new();
    let session = world.admin();
    let guess = |current: &str| {
        let body = json!({ "current": current, "new": "the thief's password" });
        session.put("/api/auth/password", body).status
    };
    for _ in 0..10 {
        assert_eq!(guess("wrong"), 403);
    }
    assert_eq!(guess("the first password"), 429);
}

#[test]
fn a_forgotten_password_is_recovered_by_setting_the_variable() {
    let mut world = World::new();
    world.login("admin", "the first password");
    let change = json!({ "current": "the first password", "new": "soon forgotten" });
    world.admin().put("/api/auth/password", change).expect(200);
    let old = world.login("admin", "soon forgotten").token;

    world.variables.admin_password = Some(edgeway::secret::Secret::new("set anew by the operator"));
    let session = world.login("admin", "set anew by the operator");
    assert_eq!(session.get("/api/auth/me").status, 200);
    let old = crate::world::Session { world: &world, token: old };
    assert_eq!(old.get("/api/auth/me").status, 401, "recovery ends all sessions");
    assert_eq!(world.login_from("192.0.2.1", "admin", "soon forgotten").status, 401);
}

#[test]
fn without_an_administrators_password_nobody_is_created() {
    let world = World::with(&[("ADMIN_PASSWORD", "")]);
    for password in ["", "the first password"] {
        assert_eq!(world.login_from("192.0.2.1", "admin", password).status, 401);
    }
}
