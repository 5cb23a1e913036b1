//! The C++ half of the bridge, where it is asked for.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "bridge")]
    {
        cxx_build::bridge("src/bridge.rs").include("cpp/neuvol").std("c++17").compile("neuvol-bridge");
        println!("cargo::rerun-if-changed=src/bridge.rs");
        println!("cargo::rerun-if-changed=cpp/neuvol/observer.h");
    }
}
