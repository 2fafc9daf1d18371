/// Finds the matches of a pattern in a buffer, by backtracking that never does the same work twice.
///
/// A match that looked at the end of the text, or past it, is undecided as long as more may come: so nothing that is
/// decided can change.
///
/// From a step and a place on, everything is determined. Hence two memories, valid for the whole buffer, keep the time in
/// proportion to its length: of a repetition of single characters where its run ends and how trying to go on from the
/// run's places ended; and, once a match has taken many steps, of how steps ended where.

package struct PatternSearch {
  private let pattern: Pattern
  private let bytes: UnsafeBufferPointer<UInt8>
  private let isFinal: Bool
  private var frames: [Frame] = []
  /// Per repetition of a single character without bound.
  private var runs: [Run]
  /// By step and place: the end, or `failed`.
  private var results: [UInt64: Int] = [:]
  /// Steps of this match and characters of its repetitions, and of all before.
  private var work = 0
  package private(set) var workBefore = 0

  /// Steps of one match before results are remembered, and how many are.
  private static let workBeforeMemory = 256
  private static let mostResults = 1 << 22

  /// What is left to try.
  private struct Frame {
    let step: Int
    /// Where the step began.
    let start: Int
    /// The next of the alternatives; or the least and the last place from which a repetition went on, and its run's end.
    var choice = 0
    var least = 0
    var last = 0
    var end = 0
  }

  /// The characters of a repetition's set from `start` to `end`, and what came of going on from the latest places first.
  private struct Run {
    var start = 0
    var end = -1
    /// All places from here on have been tried, or all above the one that led to a match.
    var tried = Int.max
    var best = -1
    var result = Pattern.failed
  }

  package init(_ pattern: Pattern, _ bytes: UnsafeBufferPointer<UInt8>, isFinal: Bool) {
    (self.pattern, self.bytes, self.isFinal) = (pattern, bytes, isFinal)
    runs = Array(repeating: Run(), count: pattern.runCount)
  }

  /// The first match that begins at `position` or later; nil if there is none. If `end` is `undecided`, later
  /// bytes decide about a match at `start`, and there is none before.
  package mutating func find(from position: Int) -> (start: Int, end: Int)? {
    var position = position
    while position < bytes.count {
      let end = match(at: position)
      if end != Pattern.failed { return (position, end) }
      position += CharacterReader.next(bytes, at: position).length
    }
    return nil
  }

  /// The end of the match that begins at `position`; `failed`; or `undecided`.
  package mutating func match(at position: Int) -> Int {
    defer {
      workBefore += work
      work = 0
    }
    return run(pattern.start, position)
  }

  private func read(_ position: Int) -> (scalar: UInt32, length: Int)? {
    guard position < bytes.count else { return nil }
    let next = CharacterReader.next(bytes, at: position)
    if next.scalar >= CharacterReader.invalid, !isFinal, position + 3 >= bytes.count {
      let rest = UnsafeBufferPointer(rebasing: bytes[position...])
      if CharacterReader.incompleteTail(rest) == rest.count { return nil }
    }
    return next
  }

  /// Runs the steps from `entry` to their end, with what they leave to try above the frames that are there.
  private mutating func run(_ entry: Int, _ position: Int) -> Int {
    let base = frames.count
    let end = advance(entry, position, base)
    if end >= 0, entry != pattern.start { noteSuccess(end, base) }
    frames.removeLast(frames.count - base)
    return end
  }

  private mutating func advance(_ entry: Int, _ first: Int, _ base: Int) -> Int {
    var (step, position) = (entry, first)
    while true {
      work += 1
      var hasFailed = false
      switch pattern.steps[step] {
      case .accept: return position
      case .set(let set, let next):
        guard let (scalar, length) = read(position) else {
          if !isFinal { return Pattern.undecided }
          hasFailed = true
          break
        }
        hasFailed = !pattern.sets[set].contains(scalar)
        position += length
        step = next
      case .repetition(let set, let least, let most, let isPossessive, let run, let next):
        switch repeated(step, set, least, most, isPossessive, run, position) {
        case .undecided: return Pattern.undecided
        case .failed: hasFailed = true
        case .ended(let end): return end
        case .goesOn(let place): (step, position) = (next, place)
        }
      case .alternatives(let entries):
        switch remembered(step, position) {
        case nil:
          frames.append(Frame(step: step, start: position, choice: 1))
          step = entries[0]
        case Pattern.failed: hasFailed = true
        case let end?: return end
        }
      case .atomic(let entry, let next):
        let end = run(entry, position)
        if end == Pattern.undecided { return end }
        hasFailed = end == Pattern.failed
        (step, position) = (next, end)
      case .ahead(let entry, let isNegative, let next):
        let end = run(entry, position)
        if end == Pattern.undecided { return end }
        hasFailed = (end == Pattern.failed) != isNegative
        step = next
      case .behind(let entries, let isNegative, let next):
        guard let isBehind = isBehind(entries, position) else { return Pattern.undecided }
        hasFailed = isBehind == isNegative
        step = next
      case .place(let place, let next):
        guard let holds = isAt(place, position) else { return Pattern.undecided }
        hasFailed = !holds
        step = next
      }
      guard hasFailed else { continue }
      guard let (next, place) = retreat(base) else { return Pattern.failed }
      (step, position) = (next, place)
    }
  }

  /// The next thing to try; nil if nothing is left.
  private mutating func retreat(_ base: Int) -> (step: Int, position: Int)? {
    while frames.count > base {
      let top = frames.count - 1
      let frame = frames[top]
      switch pattern.steps[frame.step] {
      case .alternatives(let entries) where frame.choice < entries.count:
        frames[top].choice += 1
        return (entries[frame.choice], frame.start)
      case .repetition(_, _, _, _, _, let next) where frame.last > frame.least:
        let place = max(frame.least, CharacterReader.start(bytes, before: frame.last))
        frames[top].last = place
        return (next, place)
      case .repetition(_, _, .max, _, let run, _):
        runs[run] = Run(start: frame.start, end: frame.end, tried: frame.least)
      default: remember(frame, Pattern.failed)
      }
      frames.removeLast()
    }
    return nil
  }

  private func remembered(_ step: Int, _ position: Int) -> Int? {
    work > Self.workBeforeMemory ? results[Self.key(step, position)] : nil
  }
  private mutating func remember(_ frame: Frame, _ result: Int) {
    guard work > Self.workBeforeMemory else { return }
    if results.count >= Self.mostResults { results.removeAll() }
    results[Self.key(frame.step, frame.start)] = result
  }
  private static func key(_ step: Int, _ position: Int) -> UInt64 { UInt64(step) << 44 | UInt64(position) }

  private enum Repeated {
    case undecided, failed
    /// The whole match ends there, as is known.
    case ended(Int)
    case goesOn(Int)
  }

  private mutating func repeated(
    _ step: Int, _ set: Int, _ least: Int, _ most: Int, _ isPossessive: Bool, _ run: Int, _ start: Int
  ) -> Repeated {
    let isUnbounded = most == .max
    if !isUnbounded, let result = remembered(step, start) {
      return result == Pattern.failed ? .failed : .ended(result)
    }
    let known = isUnbounded ? runs[run] : Run()
    var isKnown = false
    var position = start
    var count = 0
    /// Where going on begins to be possible, and where it is tried first.
    var first = start
    while count < most {
      if count >= least, known.start <= position, position <= known.end {
        (isKnown, position) = (true, known.end)
        break
      }
      guard let (scalar, length) = read(position) else {
        if isFinal { break }
        return .undecided
      }
      guard pattern.sets[set].contains(scalar) else { break }
      position += length
      count += 1
      if count == least { first = position }
    }
    work += count
    guard count >= least else { return .failed }
    if isPossessive {
      if isKnown {
        runs[run].start = min(start, known.start)
      } else if isUnbounded {
        runs[run] = Run(start: start, end: position)
      }
      return .goesOn(position)
    }
    var last = position
    if isKnown {
      if known.best >= first { return .ended(known.result) }
      if known.best >= 0 || known.tried <= first { return .failed }
      if known.tried <= position { last = max(first, CharacterReader.start(bytes, before: known.tried)) }
      runs[run].start = min(start, known.start)
    } else if isUnbounded {
      runs[run] = Run(start: start, end: position)
    }
    if last > first || isUnbounded {
      frames.append(Frame(step: step, start: start, least: first, last: last, end: position))
    }
    return .goesOn(last)
  }

  /// A part ended well: so does what is left to try of it, from where it is now.
  private mutating func noteSuccess(_ end: Int, _ base: Int) {
    for frame in frames[base...] {
      if case .repetition(_, _, .max, _, let run, _) = pattern.steps[frame.step] {
        runs[run] = Run(start: frame.start, end: frame.end, best: frame.last, result: end)
      } else {
        remember(frame, end)
      }
    }
  }

  /// Nil if later bytes decide.
  private mutating func isBehind(_ entries: [(characters: Int, entry: Int)], _ position: Int) -> Bool? {
    for (characters, entry) in entries {
      var (start, count) = (position, 0)
      while count < characters, start > 0 {
        start = CharacterReader.start(bytes, before: start)
        count += 1
      }
      guard count == characters else { continue }
      let end = run(entry, start)
      if end == Pattern.undecided { return nil }
      if end >= 0 { return true }
    }
    return false
  }

  /// Nil if later bytes decide.
  private func isAt(_ place: Pattern.Place, _ position: Int) -> Bool? {
    let isEnd = position >= bytes.count
    if isEnd, !isFinal, place != .textStart { return nil }
    switch place {
    case .textStart: return position == 0
    case .textEnd: return isEnd
    case .lineStart: return position == 0 || bytes[position - 1] == 0x0A && !isEnd
    case .lineEnd: return isEnd || bytes[position] == 0x0A
    case .lastLineEnd:
      if isEnd { return true }
      guard bytes[position] == 0x0A else { return false }
      return position + 1 < bytes.count ? false : isFinal ? true : nil
    case .wordEdge, .noWordEdge:
      var next = false
      if !isEnd {
        guard let (scalar, _) = read(position) else { return nil }
        next = isWord(scalar)
      }
      let previous =
        position > 0
        && isWord(CharacterReader.next(bytes, at: CharacterReader.start(bytes, before: position)).scalar)
      return (previous != next) == (place == .wordEdge)
    }
  }

  private func isWord(_ scalar: UInt32) -> Bool {
    switch pattern.dialect {
    case .rust: PatternSet.isRustWord(scalar)
    case .oniguruma: PatternSet.isWord(scalar) || PatternSet.latinNumbers.contains { $0.contains(scalar) }
    }
  }
}
