//! The client in a page of a real browser, against the mock server: `cargo xtask test web`.
#![cfg(all(feature = "web", target_arch = "wasm32"))]

use wasm_bindgen_test::wasm_bindgen_test_configure;

mod web {
    mod bad_days;
    mod flows;
    mod page;
    mod support;
}

wasm_bindgen_test_configure!(run_in_browser);
