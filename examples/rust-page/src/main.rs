//! A page in Rust that follows all five services, without a framework: `cargo xtask rust-page`.

#[cfg(target_arch = "wasm32")]
mod card;
#[cfg(target_arch = "wasm32")]
mod follow;
#[cfg(target_arch = "wasm32")]
mod mock;

/// The page's start.
#[cfg(target_arch = "wasm32")]
fn main() {
    for service in steadfast::Service::ALL {
        wasm_bindgen_futures::spawn_local(follow::follow(service));
    }
    if let Some(listener) = card::on_click("cut", || wasm_bindgen_futures::spawn_local(mock::cut_all())) {
        listener.forget();
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("this is a page for a browser; `cargo xtask rust-page` builds and serves it");
    std::process::exit(1);
}
