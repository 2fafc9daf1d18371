// swift-tools-version: 6.2
import PackageDescription

/// What a program of one's own needs to use Runnel: the product of that name, and nothing else.
let package = Package(
  name: "runnel-examples",
  dependencies: [.package(name: "runnel", path: "..")],
  targets: [
    .executableTarget(
      name: "Examples", dependencies: [.product(name: "Runnel", package: "runnel")], path: "Sources")
  ]
)
