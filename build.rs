//! The C++ half of the bridge, where it is asked for.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "bridge")]
    {
        let mut bridge = cxx_build::bridge("src/bridge.rs");
        bridge.include("cpp").include("cpp/neuvol").std("c++17").compile("neuvol-bridge");
        for source in
            ["src/bridge.rs", "cpp/neuvol/observer.h", "cpp/neuvol/messenger.h", "cpp/neuvol/neuvol.h"]
        {
            println!("cargo::rerun-if-changed={source}");
        }
    }
}
