/// The stream from text to ids of a ``BPETokenizer``: added tokens first, then normalising, then added tokens again, then words.
///
/// Each stage keeps back what later bytes may still change, and no more; so how the text is cut does not matter.
public struct BPEEncoder: TokenEncoder {
  private let plan: BPEPlan
  private var words: WordEncoder
  private var normalizer: NormalizerStream?

  private var rawHeld = HeldBytes()
  private var rawState = AddedTokens.State()
  private var normalizedHeld = HeldBytes()
  private var normalizedState = AddedTokens.State()
  private var events: [AddedTokens.Event] = []
  private var steps: [StepState]
  /// The part of the last word that has come.
  private var word: [UInt8] = []
  /// Nothing of the document has become a token or been dropped.
  private var isAtStart = true
  private let splitsSpecialTokens: Bool

  private struct StepState: Sendable {
    var held = HeldBytes()
    /// How many of the bytes held are done with, and matter only to what comes behind them.
    var context = 0
    /// The piece has had bytes.
    var hasBegun = false
    /// Part of a piece has gone on to the next step, which has not been told its end.
    var isOpen = false
    /// Whether the last item was a match; nil if there was none.
    var previous: Bool?
    /// The script of the open piece.
    var script = WordScripts.any
    /// It was not a match of the pattern, and may go on.
    var isGap = false
  }

  init(_ plan: BPEPlan, splitsSpecialTokens: Bool) {
    self.plan = plan
    self.splitsSpecialTokens = splitsSpecialTokens
    words = plan.words
    normalizer = plan.normalizer.isEmpty ? nil : NormalizerStream(plan.normalizer)
    steps = Array(repeating: StepState(), count: plan.steps.count)
  }

  public mutating func feed(_ bytes: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    guard !bytes.isEmpty else { return }
    // Where steps make much of little, a little at a time.
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = rest.prefix(plan.mostAtOnce)
      raw(UnsafeBufferPointer(rebasing: part), ends: false, into: &ids)
      rest = rest.dropFirst(part.count)
    }
  }

  public mutating func finish(into ids: inout [Int32]) {
    flush(into: &ids)
    isAtStart = true
  }

  public mutating func flush(into ids: inout [Int32]) {
    raw(UnsafeBufferPointer(start: nil, count: 0), ends: true, into: &ids)
    isAtStart = false
  }

  // MARK: Added tokens and normalising

  private mutating func raw(_ bytes: UnsafeBufferPointer<UInt8>, ends: Bool, into ids: inout [Int32]) {
    guard let tokens = plan.rawTokens else { return text(bytes, ends: ends, into: &ids) }
    var held = HeldBytes()
    swap(&held, &rawHeld)
    held.take(bytes, isFinal: ends) { buffer in
      var events: [AddedTokens.Event] = []
      let done = tokens.find(
        buffer, isFinal: ends, skippingSpecial: splitsSpecialTokens, &rawState, into: &events)
      for event in events {
        switch event {
        case .text(let range, let ends):
          text(UnsafeBufferPointer(rebasing: buffer[range]), ends: ends, into: &ids)
        case .token(let id): token(id, into: &ids)
        }
      }
      return done
    }
    swap(&held, &rawHeld)
  }

  private mutating func text(_ bytes: UnsafeBufferPointer<UInt8>, ends: Bool, into ids: inout [Int32]) {
    guard var stream = normalizer.take() else { return normalized(bytes, ends: ends, into: &ids) }
    stream.feed(bytes, ends: ends) { bytes, hasDropped in
      if hasDropped { isAtStart = false }
      normalized(bytes, ends: ends, into: &ids)
    }
    normalizer = stream
  }

  private mutating func normalized(_ bytes: UnsafeBufferPointer<UInt8>, ends: Bool, into ids: inout [Int32]) {
    guard let tokens = plan.normalizedTokens else { return piece(0, bytes, ends: ends, into: &ids) }
    var held = HeldBytes()
    swap(&held, &normalizedHeld)
    held.take(bytes, isFinal: ends) { buffer in
      var events: [AddedTokens.Event] = []
      swap(&events, &self.events)
      events.removeAll(keepingCapacity: true)
      let done = tokens.find(
        buffer, isFinal: ends, skippingSpecial: splitsSpecialTokens, &normalizedState, into: &events)
      for event in events {
        switch event {
        case .text(let range, let ends):
          piece(0, UnsafeBufferPointer(rebasing: buffer[range]), ends: ends, into: &ids)
        case .token(let id): token(id, into: &ids)
        }
      }
      swap(&events, &self.events)
      return done
    }
    swap(&held, &normalizedHeld)
  }

  private mutating func token(_ id: Int32, into ids: inout [Int32]) {
    ids.append(id)
    isAtStart = false
  }

  // MARK: Words

  /// Takes a part of a piece through the steps from `index` on.
  private mutating func piece(
    _ index: Int, _ bytes: UnsafeBufferPointer<UInt8>, ends: Bool, into ids: inout [Int32]
  ) {
    guard index < plan.steps.count else { return word(bytes, ends: ends, into: &ids) }
    switch plan.steps[index] {
    case .words(let scanner): scan(index, scanner, bytes, ends, into: &ids)
    case .split(let pattern, let behavior, let isInverted):
      split(index, pattern, behavior, isInverted, bytes, ends, into: &ids)
    case .spacePrefix:
      if !steps[index].hasBegun, let first = bytes.first {
        steps[index].hasBegun = true
        if first != 0x20 { pass(index, [0x20], ends: false, into: &ids) }
      }
      if ends { steps[index].hasBegun = false }
      piece(index + 1, bytes, ends: ends, into: &ids)
    case .spellBytes:
      var text: [UInt8] = []
      text.reserveCapacity(2 * bytes.count)
      for byte in bytes { text += ByteSpelling.scalars[Int(byte)].utf8 }
      pass(index, text, ends: ends, into: &ids)
    case .metaspace(let sign, let scheme): metaspace(index, sign, scheme, bytes, ends, into: &ids)
    case .cut(let sign, let after): cut(index, sign, after, bytes, ends, into: &ids)
    case .scripts: scripts(index, bytes, ends, into: &ids)
    case .lengths(let length): lengths(index, length, bytes, ends, into: &ids)
    }
  }

  private mutating func pass(_ index: Int, _ text: [UInt8], ends: Bool, into ids: inout [Int32]) {
    text.withUnsafeBufferPointer { piece(index + 1, $0, ends: ends, into: &ids) }
  }

  private mutating func scan(
    _ index: Int, _ scanner: WordScanner, _ bytes: UnsafeBufferPointer<UInt8>, _ ends: Bool,
    into ids: inout [Int32]
  ) {
    var held = HeldBytes()
    swap(&held, &steps[index].held)
    let isLast = index + 1 == plan.steps.count
    held.take(bytes, isFinal: ends) { buffer in
      let table = CharacterClasses.table
      var position = 0
      while position < buffer.count {
        let end = scanner.end(buffer, position, isFinal: ends, table)
        if end == WordScanner.undecided { break }
        let piece = UnsafeBufferPointer(rebasing: buffer[position..<end])
        if isLast {
          words.encode(piece, into: &ids)
        } else {
          self.piece(index + 1, piece, ends: true, into: &ids)
        }
        position = end
      }
      if position > 0 { isAtStart = false }
      return position
    }
    swap(&held, &steps[index].held)
  }

  private mutating func split(
    _ index: Int, _ pattern: Pattern, _ behavior: SplitBehavior, _ isInverted: Bool,
    _ bytes: UnsafeBufferPointer<UInt8>, _ ends: Bool, into ids: inout [Int32]
  ) {
    var held = HeldBytes()
    swap(&held, &steps[index].held)
    held.take(bytes, isFinal: ends) { buffer in
      var search = PatternSearch(pattern, buffer, isFinal: ends)
      var position = steps[index].context
      while position < buffer.count {
        let found = search.find(from: position)
        let whole = ends ? buffer.count : buffer.count - CharacterReader.incompleteTail(buffer)
        let start = found?.start ?? max(position, whole)
        if start > position {
          let isWhole = found.map { $0.end != Pattern.undecided } ?? ends
          item(
            index, UnsafeBufferPointer(rebasing: buffer[position..<start]), isMatch: isInverted,
            continues: steps[index].previous == isInverted && steps[index].isGap, isWhole: isWhole, behavior,
            into: &ids)
          steps[index].isGap = true
        }
        position = start
        guard let found, found.end != Pattern.undecided else { break }
        item(
          index, UnsafeBufferPointer(rebasing: buffer[start..<found.end]), isMatch: !isInverted,
          continues: false,
          isWhole: true, behavior, into: &ids)
        steps[index].isGap = false
        position = found.end
      }
      let kept = ends ? buffer.count : pattern.context(of: position, in: buffer)
      steps[index].context = position - kept
      return kept
    }
    swap(&held, &steps[index].held)
    if ends {
      if steps[index].isOpen { pass(index, [], ends: true, into: &ids) }
      steps[index] = StepState()
    }
  }

  /// One match, or (a part of) what lies between two.
  private mutating func item(
    _ index: Int, _ bytes: UnsafeBufferPointer<UInt8>, isMatch: Bool, continues: Bool, isWhole: Bool,
    _ behavior: SplitBehavior, into ids: inout [Int32]
  ) {
    if !continues, steps[index].isOpen, behavior.divides(steps[index].previous ?? false, isMatch) {
      pass(index, [], ends: true, into: &ids)
      steps[index].isOpen = false
    }
    steps[index].previous = isMatch
    if behavior == .removed && isMatch {
      isAtStart = false
      return
    }
    // Whether nothing that follows can join it.
    let isDone = isWhole && behavior.divides(isMatch, true) && behavior.divides(isMatch, false)
    piece(index + 1, bytes, ends: isDone, into: &ids)
    steps[index].isOpen = !isDone
  }

  private mutating func metaspace(
    _ index: Int, _ sign: [UInt8], _ scheme: PrependScheme, _ bytes: UnsafeBufferPointer<UInt8>, _ ends: Bool,
    into ids: inout [Int32]
  ) {
    var text: [UInt8] = []
    var held = HeldBytes()
    swap(&held, &steps[index].held)
    held.take(bytes, isFinal: ends) { buffer in
      let whole = ends ? buffer.count : buffer.count - CharacterReader.incompleteTail(buffer)
      for byte in buffer[..<whole] {
        if byte == 0x20 { text += sign } else { text.append(byte) }
      }
      return whole
    }
    swap(&held, &steps[index].held)
    if !steps[index].hasBegun, !text.isEmpty {
      steps[index].hasBegun = true
      if scheme == .always || scheme == .first && isAtStart, !text.starts(with: sign) { text = sign + text }
    }
    if ends { steps[index].hasBegun = false }
    pass(index, text, ends: ends, into: &ids)
  }

  private mutating func cut(
    _ index: Int, _ sign: UInt32, _ after: Set<UInt32>, _ bytes: UnsafeBufferPointer<UInt8>, _ ends: Bool,
    into ids: inout [Int32]
  ) {
    var held = HeldBytes()
    swap(&held, &steps[index].held)
    held.take(bytes, isFinal: ends) { buffer in
      let whole = ends ? buffer.count : buffer.count - CharacterReader.incompleteTail(buffer)
      var start = 0
      var position = 0
      var previous: UInt32?
      while position < whole {
        let (scalar, length) = CharacterReader.next(buffer, at: position)
        if scalar == sign, let previous, after.contains(previous) {
          piece(index + 1, UnsafeBufferPointer(rebasing: buffer[start..<position]), ends: true, into: &ids)
          start = position
        }
        previous = scalar
        position += length
      }
      guard ends else { return start }
      piece(index + 1, UnsafeBufferPointer(rebasing: buffer[start...]), ends: true, into: &ids)
      return buffer.count
    }
    swap(&held, &steps[index].held)
  }

  /// A piece begins with every character of another script than the open one; what goes with any, and stands before the first
  /// piece, is dropped.
  private mutating func scripts(
    _ index: Int, _ bytes: UnsafeBufferPointer<UInt8>, _ ends: Bool, into ids: inout [Int32]
  ) {
    var held = HeldBytes()
    swap(&held, &steps[index].held)
    held.take(bytes, isFinal: ends) { buffer in
      let whole = ends ? buffer.count : buffer.count - CharacterReader.incompleteTail(buffer)
      var (start, position) = (0, 0)
      func pass(_ isDone: Bool) {
        guard steps[index].isOpen else {
          if position > start { isAtStart = false }
          return
        }
        piece(index + 1, UnsafeBufferPointer(rebasing: buffer[start..<position]), ends: isDone, into: &ids)
      }
      while position < whole {
        let (scalar, length) = CharacterReader.next(buffer, at: position)
        let script = WordScripts.number(of: scalar)
        if script != WordScripts.any, script != steps[index].script {
          pass(true)
          (start, steps[index].script, steps[index].isOpen) = (position, script, true)
        }
        position += length
      }
      pass(false)
      return whole
    }
    swap(&held, &steps[index].held)
    guard ends else { return }
    if steps[index].isOpen { pass(index, [], ends: true, into: &ids) }
    steps[index] = StepState()
  }

  private mutating func lengths(
    _ index: Int, _ length: Int, _ bytes: UnsafeBufferPointer<UInt8>, _ ends: Bool, into ids: inout [Int32]
  ) {
    var held = HeldBytes()
    swap(&held, &steps[index].held)
    held.take(bytes, isFinal: ends) { buffer in
      let whole = ends ? buffer.count : buffer.count - CharacterReader.incompleteTail(buffer)
      var (start, position, count) = (0, 0, 0)
      while position < whole {
        position += CharacterReader.next(buffer, at: position).length
        count += 1
        guard count == length || ends && position == whole else { continue }
        piece(index + 1, UnsafeBufferPointer(rebasing: buffer[start..<position]), ends: true, into: &ids)
        (start, count) = (position, 0)
      }
      return start
    }
    swap(&held, &steps[index].held)
  }

  private mutating func word(_ bytes: UnsafeBufferPointer<UInt8>, ends: Bool, into ids: inout [Int32]) {
    guard ends, word.isEmpty else {
      word.append(contentsOf: bytes)
      guard ends, !word.isEmpty else { return }
      word.withUnsafeBufferPointer { words.encode($0, into: &ids) }
      word.removeAll(keepingCapacity: word.capacity <= 1 << 16)
      isAtStart = false
      return
    }
    guard !bytes.isEmpty else { return }
    words.encode(bytes, into: &ids)
    isAtStart = false
  }
}
