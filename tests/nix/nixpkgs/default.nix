# A stand-in for nixpkgs: the few functions that flake.nix calls, and the packages that it names. An
# unknown name fails, as in nixpkgs itself. What the names hold there, nobody here can know.
{
  system,
  config ? { },
}:
let
  without = builtins.getEnv "PIPULATE_TEST_WITHOUT";
  package = name: {
    inherit name;
    outPath = "/nix/store/${name}";
    interpreter = "/nix/store/${name}/bin/python3.11";
    cc.lib = package "${name}-cc-lib";
  };
  named =
    names:
    let
      pair = name: {
        inherit name;
        value = package name;
      };
    in
    removeAttrs (builtins.listToAttrs (map pair names)) [ without ];
  unfree =
    name:
    if config.allowUnfree or false then package name else throw "${name} is not free, and that was not allowed";
  isLinux = builtins.match ".*-linux" system != null;
in
named [
  "bashInteractive"
  "cmake"
  "figlet"
  "gcc"
  "git"
  "ninja"
  "nixfmt"
  "ollama-cuda"
  "python311"
  "zlib"
]
// {
  lib = import ./lib.nix;
  stdenv = {
    cc.cc.lib = package "gcc-lib";
    hostPlatform = { inherit isLinux system; };
  };
  python311Packages = named [
    "pip"
    "virtualenv"
  ];
  pythonManylinuxPackages = named [ "manylinux2014Package" ];
  cudaPackages = {
    cudatoolkit = unfree "cudatoolkit";
    cudnn = unfree "cudnn";
  };
  mkShell = shell: shell;
  makeRustPlatform = platform: {
    buildRustPackage = build: build // { inherit platform; };
  };
}
