// The stories are repeatable, well formed, and hang together.

import Foundation
import RunnelFiles
import Testing

@testable import RunnelCorpora
@testable import RunnelSynthesis

@Suite("Stories") struct StoriesTests {
  private static let book: [String] = {
    var stories = Stories(seed: 11)
    return (0..<4000).map { _ in stories.next() }
  }()

  @Test("are the same for a seed, on every platform, and others for another")
  func deterministic() {
    var (again, other) = (Stories(seed: 11), Stories(seed: 12))
    #expect(Self.book[..<50].allSatisfy { $0 == again.next() })
    #expect(Self.book[0] != other.next())
    #expect(
      SHA256.hex(of: Self.book.joined().utf8)
        == "1d9b6ad7e32410c76d4fc44cd4cec2c4ef93e17d89b8d4ed6f4fff3f215fa64a")
  }

  @Test("are plain sentences of 60 to 160 words with a blank line at the end")
  func form() {
    for story in Self.book {
      #expect(story.hasSuffix("\n\n") && !story.dropLast(2).contains("\n"))
      let text = story.dropLast(2)
      #expect((60...160).contains(text.split(separator: " ").count), "\(story)")
      #expect(text.first(where: \.isLetter)?.isUppercase ?? false, "\(story)")
      #expect([".", "!", "?", "\""].contains(text.last ?? " "), "\(story)")
      #expect(text.utf8.allSatisfy { (0x20..<0x7F).contains($0) })
      for flaw in ["  ", " .", " ,", "{", "}", "[", "]", "<", ">", "|", "^", "..", "-"] {
        #expect(!text.contains(flaw), "\(flaw) in \(story)")
      }
      #expect(text.filter { $0 == "\"" }.count % 2 == 0, "\(story)")
    }
  }

  @Test("say an before vowels and a before the rest, and begin sentences with capitals")
  func grammar() {
    for story in Self.book {
      let words = story.split { $0 == " " || $0 == "\n" || $0 == "\"" }
      for (word, next) in zip(words, words.dropFirst()) {
        let isVowel = "aeiou".contains(next.first ?? "x")
        if word == "a" || word == "A" { #expect(!isVowel, "\(word) \(next) in \(story)") }
        if word == "an" || word == "An" { #expect(isVowel, "\(word) \(next) in \(story)") }
        if word.hasSuffix(".") {
          #expect(next.first?.isUppercase ?? false, "\(word) \(next) in \(story)")
        }
        if word.last?.isLetter ?? false {
          #expect(word != next, "\(word) twice in \(story)")
        }
      }
    }
  }

  @Test("of one child alone use that child's pronouns")
  func pronouns() {
    var checked = 0
    for story in Self.book where story.contains(" called ") || story.contains(" named ") {
      let isGirl = story.contains(" girl ")
      let isBoy = story.contains(" boy ")
      guard isGirl != isBoy, let end = story.firstIndex(of: ".") else { continue }
      let second = story[end...].dropFirst(2).prefix { $0 != " " }
      if second == "She" || second == "Her" { #expect(isGirl, "\(story)") }
      if second == "He" || second == "His" { #expect(isBoy, "\(story)") }
      checked += 1
    }
    #expect(checked > 500)
  }

  @Test("find a thing where it was left, and it still can what it could")
  func coherence() throws {
    var found = 0
    for story in Self.book {
      guard let can = story.firstMatch(of: /could still ([a-z ]+)\./) else { continue }
      #expect(story.contains("could \(can.1)."), "\(story)")
      guard let spot = story.firstMatch(of: /looked ([a-z ]+)\. "There it is/) else { continue }
      found += 1
      #expect(story.ranges(of: spot.1).count == 2, "\(story)")
    }
    #expect(found > 20)
  }

  @Test("add up their coins")
  func sums() {
    let words = [
      "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    ]
    var added = 0
    for story in Self.book {
      guard let sum = story.firstMatch(of: /([A-Z][a-z]+) and ([a-z]+) (make|are) ([a-z]+)/),
        let a = words.firstIndex(of: sum.1.lowercased()), let b = words.firstIndex(of: String(sum.2)),
        let c = words.firstIndex(of: String(sum.4))
      else { continue }
      added += 1
      #expect(a + 1 + b + 1 == c + 1, "\(sum.0)")
    }
    #expect(added > 200)
  }

  @Test("do not repeat themselves, and their entropy is counted")
  func variety() {
    #expect(Set(Self.book).count == Self.book.count)
    var stories = Stories(seed: 11)
    #expect(stories.bestLoss == 0)
    for _ in 0..<4000 { _ = stories.next() }
    #expect((0.03...0.06).contains(stories.bestLoss))
    #expect(stories.bytes == Self.book.reduce(0) { $0 + $1.utf8.count })
  }

  @Test("make a corpus with a document per story and the bound in its header")
  func corpus() throws {
    try withFolder { folder in
      let header = try Stories.write(to: folder + "/s", bytes: 200_000, seed: 11)
      let corpus = try Corpus(path: folder + "/s")
      #expect(corpus.count >= 200_000 && header.task?.name == "stories")
      #expect(header.task?.seed == 11 && (header.task?.bestLoss ?? 0) > 0)
      for i in [0, 17, corpus.documentCount - 1] {
        let ids = try corpus.read(corpus.documentRange(i))
        #expect(String(decoding: ids.map { UInt8($0) }, as: UTF8.self) == Self.book[i])
      }
      #expect(corpus.documentStarts.contains(header.validationStart))
    }
  }
}
