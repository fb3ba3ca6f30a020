//! The same flows in a dedicated worker, where there is no page.
#![cfg(all(feature = "web", target_arch = "wasm32"))]

use wasm_bindgen_test::wasm_bindgen_test_configure;

mod web {
    mod flows;
    mod support;
}

wasm_bindgen_test_configure!(run_in_dedicated_worker);
