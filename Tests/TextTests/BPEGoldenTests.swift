/// PyPI's tokenizers learns the same from the same text, and writes the same file (tools/golden/bpe.py).

import RunnelFiles
import RunnelText
import Testing

@Suite("Training as PyPI's tokenizers trains") struct BPEGoldenTests {
  private static let syllables = [
    "ra", "lo", "the", "min", "sé", "kor", "un", "'t", "Va", "ß", "語", "x", "ing", "aa",
  ]
  private static let separators = [
    " ", " ", " ", " ", ", ", ". ", "\n", "  ", "\n\n ", " 12", "'s ", "—", "\u{3000}", "aaa",
  ]

  private static let text: String = {
    var draw = BPEDraws(state: 1)
    var text = ""
    for _ in 0..<3000 {
      for _ in 0..<(1 + draw(3)) { text += syllables[draw(syllables.count)] }
      text += separators[draw(separators.count)]
    }
    return text
  }()

  private static let merges = """
    a a|i n|ª ŀ|è ªŀ|o r|k or|m in|V a|u n|h e|t he|s Ã|in g|sÃ ©|Ã Ł|l o|r a|' t|aa a|ã Ģ|ãĢ Ģ|Ċ Ċ|' s
    1 2|Ġ 12|â Ģ|âĢ Ķ|Ġ min|Ġ Va|Ġ kor|Ġ aa|Ġ sÃ©|Ġ ÃŁ|Ġ èªŀ|Ġ '|Ġ lo|Ġ un|Ġ the|Ġ x|Ġ ing|Ġ ra|aa aa
    aa aaa|aaa the|aaa ing|V aaaa|Ġun aa|Va x|aaa lo|x èªŀ|èªŀ lo|min ing|Va the|aaa sÃ©|âĢĶ '|r aaaa
    aaa Va|x min|èªŀ kor|kor ra|ÃŁ un|ra ing|aaa èªŀ|Ġmin kor|ĠsÃ© sÃ©|Va sÃ©|ra un|Ġaa ra|r aaa|t aa
    x kor|x the|èªŀ aa|èªŀ ra|kor ÃŁ|lo lo|ra Va|aaa un|aaa ÃŁ|ĠVa un|ĠÃŁ ing|V aaa|x x|èªŀ un|èªŀ the
    èªŀ ing|the min|Ġing lo|l or|t ing|x Va|kor x|min un|Va ing|the kor|the ÃŁ|ÃŁ ra|Ġmin un|ĠÃŁ min
    Ġèªŀ aa|Ġèªŀ ing|Ġlo lo|Ġx x|lor a|x un|aa ing|min sÃ©|min lo|min ra|ÃŁ min|ÃŁ ing|aaa kor|aaa ra
    ĠVa ÃŁ|ĠÃŁ lo|Ġèªŀ sÃ©|Ġthe ing|Ġing un|èªŀ sÃ©|Va ra|ing the|sÃ© x|sÃ© Va|sÃ© lo|ÃŁ the|lo the
    ra the|Ġmin aa|ĠVa min|Ġkor aa|Ġkor ing|Ġaa sÃ©|ĠsÃ© kor|ĠsÃ© the|Ġèªŀ un|Ġèªŀ ÃŁ|Ġlo èªŀ|Ġra ing
    t lo|x aa|x sÃ©|min Va
    """

  @Test("the merges are the same, and the file to the byte", arguments: [1, 2])
  func golden(threads: Int) {
    let sha256 = SHA256.hex(of: Self.text.utf8)
    #expect(sha256 == "74d716b4218309f999514f8122897677508ba7061b165c5af90efdfecb8f0c36", "another text")
    let counter = WordCounter(threads: threads)
    counter.feed(Array(Self.text.utf8))
    var trainer = BPETrainer(vocabularySize: 400)
    trainer.specialTokens = ["<|endoftext|>", "<pad>"]
    let (vocabulary, _) = trainer.train(counter)
    let merges = vocabulary.merges.map {
      vocabulary.tokens[Int($0.first)] + " " + vocabulary.tokens[Int($0.second)]
    }
    #expect(merges == Self.merges.split { $0 == "|" || $0 == "\n" }.map(String.init))
    #expect(
      SHA256.hex(of: vocabulary.json.utf8)
        == "ba5ed87292a8e9d986c4da79f40d226618076f8067dd98af9317c10dd7d5d7bd")
  }
}
