# Pipulate as a Nix flake: `nix run . -- start` runs it, `nix develop` gives it a shell.
#
# Entering the shell installs nothing, asks nothing and starts nothing, so that `nix develop -c`,
# direnv and editors can use it too. JupyterLab's own packages come from pip, into .venv.
#
# CUDA: write { cudaSupport = true; } into local.nix and enter with `nix develop path:.` (inside a
# git checkout a flake sees only tracked files, and local.nix is not one), or enter with
# `PIPULATE_CUDA=1 nix develop --impure`.
{
  description = "A home for a project folder: JupyterLab, a web app and a local LLM in one command";

  inputs = {
    # The last release that has x86_64-darwin.
    nixpkgs.url = "github:nixos/nixpkgs/nixos-26.05";
    rust-overlay = {
      url = "github:oxalica/rust-overlay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      rust-overlay,
    }:
    let
      inherit (nixpkgs) lib;

      localConfig = if builtins.pathExists ./local.nix then import ./local.nix else { };
      cudaWanted = localConfig.cudaSupport or false || builtins.getEnv "PIPULATE_CUDA" == "1";

      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      forEachSystem = make: lib.genAttrs systems (system: make (pkgsFor system));
      pkgsFor =
        system:
        import nixpkgs {
          inherit system;
          config = {
            allowDeprecatedx86_64Darwin = true;
            # Only CUDA's packages are not free.
            allowUnfree = cudaWanted;
          };
        };

      toolchainFor =
        pkgs: (rust-overlay.lib.mkRustBin { } pkgs).fromRustupToolchainFile ./rust-toolchain.toml;

      pipulateFor =
        pkgs:
        let
          toolchain = toolchainFor pkgs;
          rustPlatform = pkgs.makeRustPlatform {
            cargo = toolchain;
            rustc = toolchain;
          };
        in
        rustPlatform.buildRustPackage {
          pname = "pipulate";
          inherit ((lib.importTOML ./Cargo.toml).workspace.package) version;
          src = lib.fileset.toSource {
            root = ./.;
            fileset = lib.fileset.unions [
              ./Cargo.toml
              ./Cargo.lock
              ./crates
              ./scripts
              ./tests
              ./xtask
            ];
          };
          cargoLock.lockFile = ./Cargo.lock;
          # The tests install Python packages; a Nix build has no network.
          doCheck = false;
          meta = {
            description = "A home for a project folder: JupyterLab, a web app and a local LLM";
            license = lib.licenses.mit;
            mainProgram = "pipulate";
          };
        };

      shellFor =
        pkgs: extraPackages:
        let
          inherit (pkgs.stdenv.hostPlatform) isLinux system;
          cuda = lib.optionals (cudaWanted && system == "x86_64-linux") [
            pkgs.cudaPackages.cudatoolkit
            pkgs.cudaPackages.cudnn
          ];
          # What wheels from PyPI expect of a Linux system. macOS wheels need neither.
          libraries = [
            pkgs.stdenv.cc.cc.lib
            pkgs.zlib
          ]
          ++ cuda;
          # The driver's own libraries, where NixOS puts them.
          driver = lib.optionalString (cuda != [ ]) ":/run/opengl-driver/lib";
        in
        pkgs.mkShell {
          packages = [
            # First, because the bash of stdenv can neither recall nor complete a line.
            pkgs.bashInteractive
          ]
          ++ extraPackages
          ++ (with pkgs; [
            python311
            python311Packages.pip
            python311Packages.virtualenv
            cmake
            ninja
            gcc
            git
            zlib
            stdenv.cc.cc.lib
          ])
          ++ lib.optional isLinux pkgs.pythonManylinuxPackages.manylinux2014Package
          ++ cuda
          ++ lib.optional (cuda != [ ]) pkgs.ollama-cuda;

          shellHook =
            lib.optionalString isLinux ''
              export LD_LIBRARY_PATH="${lib.makeLibraryPath libraries}${driver}''${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
            ''
            + lib.optionalString (cuda != [ ]) ''
              export NIXPKGS_ALLOW_UNFREE=1
            ''
            + ''
              case $- in
                *i*) PS1='\[\e[01;34m\][nix-dev]\[\e[00m\] \w $ ' ;;
              esac
            '';
        };
    in
    {
      packages = forEachSystem (pkgs: rec {
        pipulate = pipulateFor pkgs;
        default = pipulate;
      });

      devShells = forEachSystem (pkgs: {
        # To use Pipulate.
        default = shellFor pkgs [ (pipulateFor pkgs) ];
        # To change Pipulate.
        rust = shellFor pkgs [ (toolchainFor pkgs) ];
      });

      overlays.default = final: _: { pipulate = pipulateFor final; };

      formatter = forEachSystem (pkgs: pkgs.nixfmt);

      checks = forEachSystem (
        pkgs:
        let
          inherit (pkgs.stdenv.hostPlatform) system;
        in
        {
          package = self.packages.${system}.default;
          shell = self.devShells.${system}.rust;
        }
      );
    };
}
