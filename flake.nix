# Pipulate as a Nix flake: `nix run . -- start` runs it, `nix develop` gives it a shell.
#
# A person who enters the shell is welcomed: the Python packages are installed into .venv where they
# are missing, and the environment is active; one `exit` leaves. Whoever asks nothing of a person
# (`nix develop -c`, direnv, an editor) gets the variables and nothing else.
#
# CUDA: write { cudaSupport = true; } into local.nix and enter with `nix develop path:.` (inside a
# git checkout a flake sees only files that git knows, and local.nix is not one), or enter with
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

      localSeen = builtins.pathExists ./local.nix;
      localConfig = if localSeen then import ./local.nix else { };
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
          libraryPath = lib.makeLibraryPath libraries + driver;
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
            figlet
            zlib
            stdenv.cc.cc.lib
          ])
          ++ lib.optional isLinux pkgs.pythonManylinuxPackages.manylinux2014Package
          ++ cuda
          ++ lib.optional (cuda != [ ]) pkgs.ollama-cuda;

          shellHook = ''
            # The environment is made with this Python, and uv fetches no other: it would not start here.
            export PIPULATE_PYTHON=${pkgs.python311.interpreter}
            export UV_PYTHON_DOWNLOADS=never
            # This shell's folder for temporary files ends with it, and services go on.
            case "''${TMPDIR:-}" in
              */nix-shell[.-]*) unset TMPDIR TMP TEMP TEMPDIR NIX_BUILD_TOP ;;
            esac
          ''
          + lib.optionalString isLinux ''
            # For what Pipulate starts; it keeps this from the programs of the host, such as the browser.
            export PIPULATE_LIBRARY_PATH="${libraryPath}"
            # For the Python that is typed here.
            export LD_LIBRARY_PATH="${libraryPath}''${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
          ''
          + lib.optionalString (cuda != [ ]) ''
            export PIPULATE_CUDA=1
            export NIXPKGS_ALLOW_UNFREE=1
          ''
          + lib.optionalString (!localSeen) ''
            if [ -e local.nix ]; then
              echo "local.nix is not seen, because git does not know it; enter with: nix develop path:." >&2
            fi
          ''
          + ''
            case $- in
              *i*)
                if [ -n "''${ZSH_VERSION-}" ]; then
                  setopt PROMPT_SUBST
                  PS1='%F{blue}[nix-dev]%f %~ $ '
                  pipulate_shell=zsh
                else
                  PS1='\[\e[01;34m\][nix-dev]\[\e[00m\] \w $ '
                  pipulate_shell=bash
                fi
                if command -v pipulate >/dev/null; then
                  pipulate __enter </dev/null || :
                  eval "$(pipulate --quiet activate $pipulate_shell 2>/dev/null)"
                fi
                unset pipulate_shell
                ;;
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

      templates.default = {
        path = ./crates/pipulate/starter;
        description = "A project of your own: a web app, a notebook, and what they need";
      };

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
