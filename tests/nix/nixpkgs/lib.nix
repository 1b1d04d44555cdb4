# The functions of nixpkgs' library that flake.nix calls.
rec {
  genAttrs =
    names: make:
    let
      pair = name: {
        inherit name;
        value = make name;
      };
    in
    builtins.listToAttrs (map pair names);
  optionals = condition: list: if condition then list else [ ];
  optional = condition: element: optionals condition [ element ];
  optionalString = condition: text: if condition then text else "";
  makeLibraryPath = packages: builtins.concatStringsSep ":" (map (package: "${package}/lib") packages);
  importTOML = file: builtins.fromTOML (builtins.readFile file);
  fileset = {
    unions = files: files;
    toSource = { fileset, ... }: map toString fileset;
  };
  licenses.mit = "MIT";
}
