/// A profile as `runnel bench train --profile` tells it.

import Runnel

/// Where the time of all threads went, by kind of work and by operation.
struct ProfileReport: Encodable {
  /// Shares of the time of all threads, the clock's times their number; those of all rows of `work` sum to 1.
  struct Row: Encodable {
    /// Nil for the sum of a kind of work.
    var operation: String?
    var work: String
    var direction: String
    var computing, waiting, idle, sum: Double
  }

  var steps: Int
  var seconds_per_step: Double
  var work, operations: [Row]

  init(_ profile: Profile, steps: Int) {
    self.steps = steps
    seconds_per_step = profile.seconds / Double(steps)
    let whole = 1e9 * profile.seconds * Double(profile.threads)
    func row(_ account: Profile.Account) -> Row {
      let (operation, time) = (account.operation, account.time)
      return Row(
        operation: operation.name.isEmpty ? nil : operation.name, work: operation.work.rawValue,
        direction: operation.isBackward ? "backward" : operation.work == .optimizer ? "update" : "forward",
        computing: Double(time.computing) / whole,
        waiting: Double(time.waiting) / whole, idle: Double(time.idle) / whole, sum: Double(time.all) / whole)
    }
    work = profile.byWork.map(row)
    operations = profile.byOperation.map(row)
  }

  func print() {
    let least = 0.005
    Output.line("")
    Output.table([Self.heading("work", "")] + work.map { cells($0, "") } + [total])
    Output.line("")
    Output.table(
      [Self.heading("operation", "work")] + operations.filter { $0.sum >= least }.map { cells($0, $0.work) })
    Output.line("")
    Output.line(
      "percent of the time of all threads over \(counted(steps, "step")) of "
        + "\(Output.decimals(1e3 * seconds_per_step, 1)) ms; operations of at least "
        + "\(Output.decimals(100 * least, 1))")
  }

  private static func heading(_ name: String, _ work: String) -> [String] {
    [name, work, "direction", "computing", "waiting", "idle", "sum"]
  }

  private func cells(_ row: Row, _ work: String) -> [String] {
    [row.operation ?? row.work, work, row.direction]
      + [row.computing, row.waiting, row.idle, row.sum].map { Output.decimals(100 * $0, 1) }
  }

  private var total: [String] {
    func sum(_ part: (Row) -> Double) -> String { Output.decimals(100 * work.reduce(0) { $0 + part($1) }, 1) }
    return ["all", "", "", sum(\.computing), sum(\.waiting), sum(\.idle), sum(\.sum)]
  }
}
