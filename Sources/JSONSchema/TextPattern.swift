/// A regular expression as JSON Schema's `pattern` has it (ECMA-262, with the `u` flag), that takes time linear in the
/// text: all ways through the expression are followed at once, so none is tried again.
///
/// It has literals, `.`, classes, `\d \w \s \b` and their opposites, `\n \t` and the like, `\xHH`, `\uHHHH`, `\u{…}`,
/// groups with and without a number, alternatives, anchors, and greedy and lazy repetition. What can't be had in linear
/// time is refused: references to groups, and looking ahead or behind; property escapes (`\p{…}`) are too.
package struct TextPattern {
  /// Why a text is no pattern that is taken here.
  struct Fault: Error {
    let message: String
  }

  /// The most steps that an expression may have once its repetitions are written out.
  static let stepLimit = 2_000
  /// How deep groups may be inside each other.
  static let depthLimit = 100

  enum Step {
    case scalars(ScalarSet)
    case split(Int, Int)
    case jump(Int)
    case start
    case end
    case boundary(Bool)
    case match
  }

  /// Characters, as ranges of their scalar values.
  struct ScalarSet {
    var ranges: [ClosedRange<UInt32>] = []
    var isInverted = false

    func contains(_ scalar: UInt32) -> Bool { ranges.contains { $0.contains(scalar) } != isInverted }
  }

  private(set) var steps: [Step] = []

  /// Reads an expression.
  init(_ source: String) throws(Fault) {
    var reader = PatternReader(source)
    let node = try reader.readAll()
    try emit(node)
    try add(.match)
  }

  // MARK: - From the tree to steps

  indirect enum Node {
    case empty
    case scalars(ScalarSet)
    case start
    case end
    case boundary(Bool)
    case sequence([Node])
    case choice([Node])
    case repetition(Node, Int, Int?)
  }

  private mutating func add(_ step: Step) throws(Fault) {
    guard steps.count < TextPattern.stepLimit else {
      throw Fault(message: "is too large: its repetitions come to more than \(TextPattern.stepLimit) steps")
    }
    steps.append(step)
  }

  private mutating func emit(_ node: Node) throws(Fault) {
    switch node {
    case .empty: break
    case .scalars(let set): try add(.scalars(set))
    case .start: try add(.start)
    case .end: try add(.end)
    case .boundary(let isOne): try add(.boundary(isOne))
    case .sequence(let nodes): for node in nodes { try emit(node) }
    case .choice(let nodes):
      var ends: [Int] = []
      for (index, node) in nodes.enumerated() {
        guard index < nodes.count - 1 else {
          try emit(node)
          break
        }
        let split = steps.count
        try add(.jump(0))
        try emit(node)
        ends.append(steps.count)
        try add(.jump(0))
        steps[split] = .split(split + 1, steps.count)
      }
      for end in ends { steps[end] = .jump(steps.count) }
    case .repetition(let node, let least, let most):
      for _ in 0..<least { try emit(node) }
      if let most {
        var splits: [Int] = []
        for _ in least..<max(least, most) {
          splits.append(steps.count)
          try add(.jump(0))
          try emit(node)
        }
        for split in splits { steps[split] = .split(split + 1, steps.count) }
      } else {
        let split = steps.count
        try add(.jump(0))
        try emit(node)
        try add(.jump(split))
        steps[split] = .split(split + 1, steps.count)
      }
    }
  }

  // MARK: - Matching

  /// Whether the expression matches somewhere in a text.
  /// - Parameter spend: Takes what a part of the work costs; false ends the search, whose answer then means nothing.
  func matches(_ text: String, spend: (Int) -> Bool) -> Bool {
    let scalars = Array(text.unicodeScalars)
    var current: [Int] = []
    var next: [Int] = []
    var seen = [Int](repeating: -1, count: steps.count)
    var pending: [Int] = []

    /// Follows what takes no character; true where the expression has matched.
    func follow(_ start: Int, at place: Int, into list: inout [Int]) -> Bool {
      pending.append(start)
      while let step = pending.popLast() {
        guard seen[step] != place else { continue }
        seen[step] = place
        switch steps[step] {
        case .scalars: list.append(step)
        case .split(let one, let other):
          pending.append(other)
          pending.append(one)
        case .jump(let target): pending.append(target)
        case .start: if place == 0 { pending.append(step + 1) }
        case .end: if place == scalars.count { pending.append(step + 1) }
        case .boundary(let isOne):
          let before = place > 0 && TextPattern.isWord(scalars[place - 1].value)
          let after = place < scalars.count && TextPattern.isWord(scalars[place].value)
          if (before != after) == isOne { pending.append(step + 1) }
        case .match: return true
        }
      }
      return false
    }

    for place in 0...scalars.count {
      if follow(0, at: place, into: &current) { return true }
      guard place < scalars.count else { return false }
      // As much work as ways are followed, some of which one visit of a value pays for.
      guard spend(1 + current.count / 8) else { return false }
      next.removeAll(keepingCapacity: true)
      for step in current {
        guard case .scalars(let set) = steps[step], set.contains(scalars[place].value) else { continue }
        if follow(step + 1, at: place + 1, into: &next) { return true }
      }
      swap(&current, &next)
    }
    return false
  }

  static func isWord(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
    default: false
    }
  }
}

/// Reads the text of an expression.
private struct PatternReader {
  private let scalars: [UInt32]
  private var place = 0
  private var depth = 0

  init(_ source: String) { scalars = source.unicodeScalars.map(\.value) }

  mutating func readAll() throws(TextPattern.Fault) -> TextPattern.Node {
    let node = try readChoice()
    if place < scalars.count { throw fault("has a ) without its (") }
    return node
  }

  private func fault(_ message: String) -> TextPattern.Fault {
    TextPattern.Fault(message: "\(message), at character \(place + 1)")
  }

  private func peek() -> UInt32? { place < scalars.count ? scalars[place] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek() == character.value else { return false }
    place += 1
    return true
  }

  private func isNext(_ text: String) -> Bool {
    let wanted = text.unicodeScalars.map(\.value)
    return place + wanted.count <= scalars.count && Array(scalars[place..<place + wanted.count]) == wanted
  }

  private mutating func readChoice() throws(TextPattern.Fault) -> TextPattern.Node {
    var choices = [try readSequence()]
    while take("|") { choices.append(try readSequence()) }
    return choices.count == 1 ? choices[0] : .choice(choices)
  }

  private mutating func readSequence() throws(TextPattern.Fault) -> TextPattern.Node {
    var nodes: [TextPattern.Node] = []
    while let next = peek(), next != 0x7C, next != 0x29 { nodes.append(try readRepeated()) }
    return nodes.count == 1 ? nodes[0] : .sequence(nodes)
  }

  private mutating func readRepeated() throws(TextPattern.Fault) -> TextPattern.Node {
    let (atom, isRepeatable) = try readAtom()
    var least = 1
    var most: Int? = 1
    switch peek() {
    case 0x2A: (least, most) = (0, nil)
    case 0x2B: (least, most) = (1, nil)
    case 0x3F: (least, most) = (0, 1)
    case 0x7B:
      guard let (first, last) = try readCounts() else { throw fault("has a { that is no repetition; write \\{") }
      (least, most) = (first, last)
      place -= 1
    default: return atom
    }
    guard isRepeatable else { throw fault("repeats what takes no character") }
    place += 1
    // Whether as much or as little as possible is taken doesn't change whether it matches.
    _ = take("?")
    if let next = peek(), next == 0x2A || next == 0x2B || next == 0x3F || next == 0x7B {
      throw fault("repeats a repetition; put it into a group")
    }
    return .repetition(atom, least, most)
  }

  /// `{n}`, `{n,}` and `{n,m}`.
  private mutating func readCounts() throws(TextPattern.Fault) -> (Int, Int?)? {
    place += 1
    guard let least = readNumber() else { return nil }
    var most: Int? = least
    if take(",") { most = peek() == 0x7D ? nil : readNumber() ?? -1 }
    guard take("}"), most != -1 else { return nil }
    if let most, most < least { throw fault("has a repetition whose most is less than its least") }
    return (least, most)
  }

  private mutating func readNumber() -> Int? {
    var number: Int?
    while let next = peek(), (0x30...0x39).contains(next) {
      number = min((number ?? 0) * 10 + Int(next - 0x30), 1_000_000)
      place += 1
    }
    return number
  }

  private mutating func readAtom() throws(TextPattern.Fault) -> (TextPattern.Node, isRepeatable: Bool) {
    guard let next = peek() else { return (.empty, false) }
    switch next {
    case 0x5E:
      place += 1
      return (.start, false)
    case 0x24:
      place += 1
      return (.end, false)
    case 0x28: return (try readGroup(), true)
    case 0x5B: return (.scalars(try readClass()), true)
    case 0x2E:
      place += 1
      return (.scalars(.init(ranges: [0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029], isInverted: true)), true)
    case 0x5C:
      if isNext("\\b") || isNext("\\B") {
        place += 2
        return (.boundary(scalars[place - 1] == 0x62), false)
      }
      return (.scalars(try readEscape(inClass: false)), true)
    case 0x2A, 0x2B, 0x3F: throw fault("has nothing to repeat")
    case 0x5D, 0x7B, 0x7D: throw fault("has a bracket that stands for itself; write a \\ before it")
    default:
      place += 1
      return (.scalars(.init(ranges: [next...next])), true)
    }
  }

  private mutating func readGroup() throws(TextPattern.Fault) -> TextPattern.Node {
    place += 1
    if peek() == 0x3F {
      if isNext("?:") {
        place += 2
      } else if isNext("?=") || isNext("?!") || isNext("?<=") || isNext("?<!") {
        throw fault("looks ahead or behind, which can't be checked in linear time")
      } else if isNext("?<") {
        while place < scalars.count, scalars[place] != 0x3E { place += 1 }
        guard take(">") else { throw fault("has a group whose name doesn't end") }
      } else {
        throw fault("has a group of an unknown kind")
      }
    }
    depth += 1
    defer { depth -= 1 }
    guard depth <= TextPattern.depthLimit else { throw fault("has too many groups inside each other") }
    let node = try readChoice()
    guard take(")") else { throw fault("has a ( without its )") }
    return node
  }

  private mutating func readClass() throws(TextPattern.Fault) -> TextPattern.ScalarSet {
    place += 1
    var set = TextPattern.ScalarSet()
    set.isInverted = take("^")
    while let next = peek(), next != 0x5D {
      let first = try readMember()
      guard peek() == 0x2D, place + 1 < scalars.count, scalars[place + 1] != 0x5D else {
        set.ranges += first.flat
        continue
      }
      place += 1
      let last = try readMember()
      guard let low = first.single, let high = last.single else { throw fault("has a range between classes") }
      guard low <= high else { throw fault("has a range that ends before it begins") }
      set.ranges.append(low...high)
    }
    guard take("]") else { throw fault("has a [ without its ]") }
    return set
  }

  private mutating func readMember() throws(TextPattern.Fault) -> TextPattern.ScalarSet {
    guard let next = peek() else { throw fault("has a [ without its ]") }
    if next == 0x5C { return try readEscape(inClass: true) }
    place += 1
    return .init(ranges: [next...next])
  }

  private mutating func readEscape(inClass: Bool) throws(TextPattern.Fault) -> TextPattern.ScalarSet {
    place += 1
    guard let next = peek() else { throw fault("ends in a \\") }
    place += 1
    func one(_ scalar: UInt32) -> TextPattern.ScalarSet { .init(ranges: [scalar...scalar]) }
    switch next {
    case 0x64: return .init(ranges: [0x30...0x39])
    case 0x44: return .init(ranges: [0x30...0x39], isInverted: true)
    case 0x77: return .word
    case 0x57: return .init(ranges: TextPattern.ScalarSet.word.ranges, isInverted: true)
    case 0x73: return .space
    case 0x53: return .init(ranges: TextPattern.ScalarSet.space.ranges, isInverted: true)
    case 0x6E: return one(0x0A)
    case 0x72: return one(0x0D)
    case 0x74: return one(0x09)
    case 0x66: return one(0x0C)
    case 0x76: return one(0x0B)
    case 0x62 where inClass: return one(0x08)
    case 0x78: return one(try readHexadecimal(2))
    case 0x75:
      guard take("{") else { return one(try readHexadecimal(4)) }
      var digits = 0
      while place + digits < scalars.count, scalars[place + digits] != 0x7D, digits < 8 { digits += 1 }
      let scalar = try readHexadecimal(max(digits, 1))
      guard take("}"), scalar <= 0x10FFFF else { throw fault("has a \\u{…} that is no character") }
      return one(scalar)
    case 0x31...0x39, 0x6B: throw fault("refers to a group, which can't be checked in linear time")
    case 0x70, 0x50: throw fault("has a property of characters (\\p), which isn't known here; name the characters")
    case 0x30: return one(0)
    default:
      let isLetter = (0x41...0x5A).contains(next) || (0x61...0x7A).contains(next)
      if isLetter { throw fault("has an escape that isn't known") }
      return one(next)
    }
  }

  private mutating func readHexadecimal(_ count: Int) throws(TextPattern.Fault) -> UInt32 {
    var number: UInt32 = 0
    for _ in 0..<count {
      guard let digit = peek().flatMap({ Unicode.Scalar($0) }).flatMap({ Character($0).hexDigitValue }) else {
        throw fault("needs \(count) hexadecimal digits")
      }
      number = number << 4 | UInt32(digit)
      place += 1
    }
    return number
  }
}

extension TextPattern.ScalarSet {
  fileprivate static let word = Self(ranges: [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
  fileprivate static let space = Self(ranges: [
    0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029, 0x202F...0x202F,
    0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
  ])

  /// The one character that it is.
  fileprivate var single: UInt32? {
    guard !isInverted, ranges.count == 1, ranges[0].count == 1 else { return nil }
    return ranges[0].lowerBound
  }

  /// As ranges that are not inverted.
  fileprivate var flat: [ClosedRange<UInt32>] {
    guard isInverted else { return ranges }
    var gaps: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.lowerBound > next { gaps.append(next...range.lowerBound - 1) }
      next = max(next, range.upperBound + 1)
    }
    if next <= 0x10FFFF { gaps.append(next...0x10FFFF) }
    return gaps
  }
}
