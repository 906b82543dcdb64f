//! How the program is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TENKO_PIE");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    // Some 26,000 addresses would have to be written anew whenever the program is started, which is a quarter of what
    // `tenko run` costs beside the command. Libraries, stacks and heaps lie elsewhere each time, as ever.
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && !is("TENKO_PIE", "1") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
