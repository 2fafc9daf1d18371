// swift-tools-version: 6.2
import PackageDescription

/// The modules, lowest first; each imports only those above it in this list.
/// Folders carry the short name, modules the prefix `Runnel`.
func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: "Runnel" + name, dependencies: dependencies, path: "Sources/" + name)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: dependencies, path: "Tests/" + name + "Tests", exclude: exclude)
}

let package = Package(
  name: "runnel",
  products: [
    .library(name: "Runnel", targets: ["Runnel"]),
    .executable(name: "runnel", targets: ["runnel"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    .systemLibrary(name: "COpenBLAS", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .target(name: "CKernels"),
    module("Kernels", ["CKernels", "COpenBLAS"]),
    module("Tensors", ["RunnelKernels", "CKernels"]),
    module("Files", []),
    module("Text", ["RunnelFiles"]),
    module("Corpora", ["RunnelText", "RunnelFiles", "CZstd"]),
    module("Synthesis", ["RunnelCorpora"]),
    module("Recurrences", ["RunnelTensors", "RunnelKernels", "CKernels"]),
    module("Mixers", ["RunnelRecurrences", "RunnelTensors", "RunnelKernels"]),
    module("Models", ["RunnelMixers", "RunnelRecurrences", "RunnelTensors", "RunnelKernels", "RunnelFiles"]),
    module(
      "Checkpoints",
      ["RunnelText", "RunnelFiles", "RunnelModels", "RunnelMixers", "RunnelTensors"]),
    module("Streaming", ["RunnelCheckpoints", "RunnelModels", "RunnelText", "RunnelFiles"]),
    module(
      "Training",
      ["RunnelStreaming", "RunnelCheckpoints", "RunnelModels", "RunnelCorpora", "RunnelText", "RunnelFiles"]),
    .target(
      name: "Runnel",
      dependencies: [
        "RunnelTraining", "RunnelStreaming", "RunnelCheckpoints", "RunnelSynthesis",
        "RunnelCorpora", "RunnelText", "RunnelModels",
        "RunnelMixers", "RunnelRecurrences", "RunnelTensors", "RunnelKernels", "RunnelFiles",
      ]),
    .executableTarget(
      name: "runnel",
      dependencies: [
        "Runnel", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Sources/runnel-tool"),
    // The recurrences and operations again, as Double loops straight from the papers; only tests import it.
    .target(name: "RunnelReference", dependencies: ["RunnelTensors"], path: "Tests/Reference"),
    tests("Tensors", ["RunnelTensors", "RunnelKernels", "RunnelReference"]),
    tests("Recurrences", ["RunnelRecurrences", "RunnelReference"]),
    tests(
      "Checkpoints",
      [
        "RunnelCheckpoints", "RunnelFiles", "RunnelModels", "RunnelMixers", "RunnelTensors", "RunnelKernels",
        "RunnelReference",
      ]),
    tests("Corpora", ["RunnelSynthesis", "RunnelCorpora", "RunnelText", "RunnelFiles"]),
    tests(
      "Foreign",
      [
        "RunnelCheckpoints", "RunnelFiles", "RunnelText", "RunnelModels", "RunnelMixers", "RunnelRecurrences",
        "RunnelTensors",
      ], exclude: ["Golden"]),
    tests("Text", ["RunnelText", "RunnelFiles"]),
    tests(
      "Mixers",
      [
        "RunnelMixers", "RunnelModels", "RunnelRecurrences", "RunnelTensors", "RunnelKernels",
        "RunnelReference",
      ]),
    tests(
      "Models",
      [
        "RunnelTraining", "RunnelStreaming", "RunnelCheckpoints", "RunnelSynthesis", "RunnelCorpora",
        "RunnelModels", "RunnelMixers", "RunnelTensors", "RunnelKernels", "RunnelReference",
      ], exclude: ["Fixtures"]),
    tests("Tool", ["Runnel", "runnel"]),
    tests("Levels", ["RunnelKernels", "runnel"]),
    tests("Recipes", []),
  ]
)
