# What flake.nix gives on each system, as data, with stand-ins for its inputs: nothing is fetched and
# nothing is built. PIPULATE_TEST_WITHOUT in the environment is a package that nixpkgs lost.
let
  nixpkgs = {
    lib = import ./nixpkgs/lib.nix;
    outPath = toString ./nixpkgs;
  };
  rust-overlay.lib.mkRustBin =
    { }:
    _: {
      fromRustupToolchainFile = file: { toolchain = toString file; };
    };
  flake = import ../../flake.nix;
  outputs = flake.outputs {
    self = outputs;
    inherit nixpkgs rust-overlay;
  };
  names = map (package: package.name or package.pname or package.toolchain);
  shell = system: {
    packages = names outputs.devShells.${system}.default.packages;
    hook = outputs.devShells.${system}.default.shellHook;
    rust = names outputs.devShells.${system}.rust.packages;
  };
  package = system: {
    inherit (outputs.packages.${system}.default) pname version src;
    inherit (outputs.packages.${system}.default.meta) mainProgram;
    inherit (outputs.packages.${system}.default.platform.cargo) toolchain;
    lock = toString outputs.packages.${system}.default.cargoLock.lockFile;
  };
in
{
  inputs = builtins.mapAttrs (_: input: input.url) flake.inputs;
  outputs = builtins.attrNames outputs;
  shells = builtins.mapAttrs (system: _: shell system) outputs.devShells;
  packages = builtins.mapAttrs (system: _: package system) outputs.packages;
  checks = builtins.mapAttrs (_: builtins.attrNames) outputs.checks;
  formatters = builtins.mapAttrs (_: formatter: formatter.name) outputs.formatter;
  template = toString outputs.templates.default.path;
  overlay = (outputs.overlays.default (import ./nixpkgs { system = "x86_64-linux"; }) { }).pipulate.pname;
}
