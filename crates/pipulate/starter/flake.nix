# `nix develop` gives this project its tools; the Python packages come from requirements.txt, by
# `pipulate setup`. Pipulate itself is what you started this project with.
{
  inputs.nixpkgs.url = "github:nixos/nixpkgs/nixos-26.05";

  outputs =
    { nixpkgs, ... }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      shellFor =
        system:
        let
          pkgs = import nixpkgs {
            inherit system;
            config.allowDeprecatedx86_64Darwin = true;
          };
          # What Python wheels expect of a Linux system.
          libraries = [
            pkgs.stdenv.cc.cc.lib
            pkgs.zlib
          ];
        in
        pkgs.mkShell {
          packages = [
            pkgs.bashInteractive
            pkgs.python312
            pkgs.git
          ];
          shellHook = pkgs.lib.optionalString pkgs.stdenv.isLinux ''
            export LD_LIBRARY_PATH="${pkgs.lib.makeLibraryPath libraries}''${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
          '';
        };
    in
    {
      devShells = nixpkgs.lib.genAttrs systems (system: { default = shellFor system; });
    };
}
