import ArgumentParser

/// Whether a writer may replace whatever has the name of its result.
struct ForceOption: ParsableArguments {
  @Flag(help: "Replace what has the result's name, whatever it is.") var force = false
}
