/// The data of ``UnicodeData`` in a form that is looked up by a character's number.
///
/// Made once, at first use, in a few milliseconds. Characters that Unicode has not assigned stand for themselves.
struct UnicodeTables: Sendable {
  static let shared = UnicodeTables()

  /// What a character is to be looked at for, in blocks of 128 characters; blocks of plain characters are one.
  private var blocks: [UInt16]
  private var kinds: [UInt8]
  private var results: [UInt32]
  /// Results of more than one character, behind their first; ``results`` has their place.
  private var sequences: [[UInt32]] = [[]]
  private var decompositions: [UInt32: [UInt32]] = [:]
  private var foldings: [UInt32: [UInt32]] = [:]
  private var classes: [UInt32: UInt8] = [:]
  private var compositions: [UInt64: UInt32] = [:]

  /// The mark of a result of several characters.
  private static let several: UInt32 = 1 << 31
  /// What combines with what stands before it, or is moved among its like.
  static let combines: UInt8 = 1
  /// What has another form than itself alone as NFC.
  static let changes: UInt8 = 2

  private init() {
    blocks = Array(repeating: 0, count: 0x110000 >> 7)
    kinds = Array(repeating: 0, count: 128)
    results = Array(repeating: 0, count: 128)
    var composites: [(code: UInt32, parts: [UInt32])] = []
    for (entry, parts) in UnicodeTables.entries(UnicodeData.decompositions) {
      let isLost = entry.first == "!"
      guard let code = UInt32(isLost ? entry.dropFirst() : entry, radix: 16) else { continue }
      let sequence = UnicodeTables.sequence(parts)
      decompositions[code] = sequence
      if isLost { mark(code, UnicodeTables.changes) } else { composites.append((code, sequence)) }
    }
    for (entry, number) in UnicodeTables.entries(UnicodeData.combiningClasses) {
      let bounds = entry.split(separator: "-").compactMap { UInt32($0, radix: 16) }
      guard let first = bounds.first, let last = bounds.last, let number = UInt8(number) else { continue }
      for code in first...last {
        classes[code] = number
        mark(code, UnicodeTables.combines)
      }
    }
    for (entry, parts) in UnicodeTables.entries(UnicodeData.foldings) {
      guard let code = UInt32(entry, radix: 16) else { continue }
      foldings[code] = UnicodeTables.sequence(parts)
    }
    // Those of two characters come first, so that longer ones find what they begin with.
    for (code, parts) in composites.sorted(by: { $0.parts.count < $1.parts.count }) {
      guard let last = parts.last else { continue }
      let first = composed(Array(parts.dropLast()))
      guard first.count == 1 else { continue }
      compositions[UnicodeTables.pair(first[0], last)] = code
      mark(last, UnicodeTables.combines)
    }
    for code in (Hangul.vowels...(Hangul.vowels + 20)) { mark(code, UnicodeTables.combines) }
    for code in ((Hangul.tails + 1)...(Hangul.tails + 27)) { mark(code, UnicodeTables.combines) }
    for code in Set(foldings.keys).union(decompositions.keys) { setResult(of: code) }
    // What becomes something that combines does so itself.
    for code in Set(foldings.keys).union(decompositions.keys) {
      let firsts = [decompositions[code]?.first, folded(CollectionOfOne(code)).first].compactMap { $0 }
      if firsts.contains(where: { kind($0) & UnicodeTables.combines != 0 }) { mark(code, UnicodeTables.combines) }
    }
  }

  /// What a character's kind is: a set of ``combines`` and ``changes``.
  @inline(__always)
  func kind(_ code: UInt32) -> UInt8 { kinds[Int(blocks[Int(code >> 7)]) << 7 | Int(code & 127)] }

  /// Adds what a character is folded to by itself, in NFC.
  @inline(__always)
  func appendFolded(_ code: UInt32, to text: inout [UInt8]) {
    let result = results[Int(blocks[Int(code >> 7)]) << 7 | Int(code & 127)]
    if result & UnicodeTables.several == 0 {
      UnicodeTables.append(result == 0 ? code : result, to: &text)
    } else {
      for code in sequences[Int(result & ~UnicodeTables.several)] { UnicodeTables.append(code, to: &text) }
    }
  }

  /// Adds a character as UTF-8.
  @inline(__always)
  static func append(_ code: UInt32, to text: inout [UInt8]) {
    switch code {
    case ..<0x80: text.append(UInt8(code))
    case ..<0x800:
      text.append(UInt8(0xC0 | code >> 6))
      text.append(UInt8(0x80 | code & 0x3F))
    case ..<0x1_0000:
      text.append(UInt8(0xE0 | code >> 12))
      text.append(UInt8(0x80 | code >> 6 & 0x3F))
      text.append(UInt8(0x80 | code & 0x3F))
    default:
      text.append(UInt8(0xF0 | code >> 18 & 7))
      text.append(UInt8(0x80 | code >> 12 & 0x3F))
      text.append(UInt8(0x80 | code >> 6 & 0x3F))
      text.append(UInt8(0x80 | code & 0x3F))
    }
  }

  // MARK: - The forms

  /// The canonical decomposition (NFD).
  func decomposed(_ codes: some Sequence<UInt32>) -> [UInt32] {
    var result: [UInt32] = []
    for code in codes {
      if let parts = Hangul.parts(of: code) {
        result += parts
      } else if let parts = decompositions[code] {
        result += parts
      } else {
        result.append(code)
      }
    }
    // Marks between two characters of class 0 are ordered by their classes; those of one class stay as they stand.
    var index = 0
    while index < result.count {
      guard classes[result[index]] != nil else {
        index += 1
        continue
      }
      var end = index + 1
      while end < result.count, classes[result[end]] != nil { end += 1 }
      if end - index > 1 {
        let marks = result[index..<end].enumerated().sorted { left, right in
          let (first, second) = (classes[left.element] ?? 0, classes[right.element] ?? 0)
          return first == second ? left.offset < right.offset : first < second
        }
        result.replaceSubrange(index..<end, with: marks.map(\.element))
      }
      index = end
    }
    return result
  }

  /// The canonical composition of a decomposition (NFC of NFD).
  func composed(_ codes: [UInt32]) -> [UInt32] {
    var result: [UInt32] = []
    var starter: Int?
    var lastClass = -1
    for code in codes {
      let number = Int(classes[code] ?? 0)
      if let place = starter, lastClass < number || lastClass == -1,
        let composite = Hangul.composite(result[place], code) ?? compositions[UnicodeTables.pair(result[place], code)]
      {
        result[place] = composite
        continue
      }
      if number == 0 {
        starter = result.count
        lastClass = -1
      } else {
        lastClass = number
      }
      result.append(code)
    }
    return result
  }

  /// Full case folding of each character.
  func caseFolded(_ codes: [UInt32]) -> [UInt32] {
    var result: [UInt32] = []
    result.reserveCapacity(codes.count)
    for code in codes {
      if let parts = foldings[code] { result += parts } else { result.append(code) }
    }
    return result
  }

  /// Canonical caseless form (Unicode Standard, D145), composed.
  func folded(_ codes: some Sequence<UInt32>) -> [UInt32] {
    composed(decomposed(caseFolded(decomposed(codes))))
  }

  // MARK: - Making them

  private mutating func place(_ code: UInt32) -> Int {
    let block = Int(code >> 7)
    if blocks[block] == 0 {
      blocks[block] = UInt16(kinds.count >> 7)
      kinds.append(contentsOf: repeatElement(0, count: 128))
      results.append(contentsOf: repeatElement(0, count: 128))
    }
    return Int(blocks[block]) << 7 | Int(code & 127)
  }

  private mutating func mark(_ code: UInt32, _ kind: UInt8) {
    let place = place(code)
    kinds[place] |= kind
  }

  private mutating func setResult(of code: UInt32) {
    let result = folded(CollectionOfOne(code))
    guard result != [code] else { return }
    let place = place(code)
    if result.count == 1 {
      results[place] = result[0]
    } else {
      results[place] = UnicodeTables.several | UInt32(sequences.count)
      sequences.append(result)
    }
  }

  private static func entries(_ text: String) -> [(Substring, Substring)] {
    text.split(separator: ",").compactMap { entry in
      guard let sign = entry.firstIndex(of: "=") else { return nil }
      return (entry[..<sign], entry[entry.index(after: sign)...])
    }
  }

  private static func sequence(_ text: Substring) -> [UInt32] {
    text.split(separator: " ").compactMap { UInt32($0, radix: 16) }
  }

  private static func pair(_ first: UInt32, _ second: UInt32) -> UInt64 { UInt64(first) << 32 | UInt64(second) }
}

/// Syllables of Hangul, which are composed by arithmetic (Unicode Standard, section 3.12).
enum Hangul {
  static let syllables: UInt32 = 0xAC00
  static let leads: UInt32 = 0x1100
  static let vowels: UInt32 = 0x1161
  static let tails: UInt32 = 0x11A7

  /// What a syllable is composed of; nil for other characters.
  static func parts(of code: UInt32) -> [UInt32]? {
    guard (syllables..<(syllables + 11_172)).contains(code) else { return nil }
    let index = code - syllables
    let parts = [leads + index / 588, vowels + index % 588 / 28]
    return index % 28 == 0 ? parts : parts + [tails + index % 28]
  }

  /// The syllable of a consonant and a vowel, or of a syllable without a last consonant and one.
  static func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if (leads..<(leads + 19)).contains(first), (vowels..<(vowels + 21)).contains(second) {
      return syllables + ((first - leads) * 21 + second - vowels) * 28
    }
    if (syllables..<(syllables + 11_172)).contains(first), (first - syllables) % 28 == 0,
      ((tails + 1)..<(tails + 28)).contains(second)
    {
      return first + second - tails
    }
    return nil
  }
}
