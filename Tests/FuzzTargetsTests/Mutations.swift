import FuzzTargets
import TestBasics

/// Random inputs of a target: its seeds, changed here and there.
struct Mutations {
  private let target: FuzzTarget
  private var generator: Seeded
  private static let bytes: [UInt8] = [0, 1, 0x0A, 0x0D, 0x20, 0x22, 0x2C, 0x2D, 0x30, 0x5C, 0x7B, 0x7D, 0x80, 0xFF]

  init(of target: FuzzTarget, _ generator: Seeded) {
    self.target = target
    self.generator = generator
  }

  /// The next input.
  mutating func next() -> [UInt8] {
    var input = seed()
    for _ in 0..<Int.random(in: 0...5, using: &generator) { change(&input) }
    return Array(input.prefix(target.maximumLength))
  }

  private mutating func change(_ input: inout [UInt8]) {
    let part = part(of: input)
    switch Int.random(in: 0..<8, using: &generator) {
    case 0: if let first = part.first { input[first] ^= 1 << UInt8.random(in: 0..<8, using: &generator) }
    case 1: if let first = part.first { input[first] = Self.bytes.randomElement(using: &generator) ?? 0 }
    case 2, 3: input.insert(contentsOf: word(), at: part.lowerBound)
    case 4: input.replaceSubrange(part, with: word())
    case 5: input.removeSubrange(part)
    case 6: input.insert(contentsOf: input[part], at: part.upperBound)
    default:
      let other = seed()
      input.replaceSubrange(part, with: other[self.part(of: other)])
    }
  }

  /// A place in the bytes, with what follows it: mostly little.
  private mutating func part(of bytes: [UInt8]) -> Range<Int> {
    let start = Int.random(in: 0...bytes.count, using: &generator)
    let most = Bool.random(using: &generator) ? 4 : 200
    return start..<min(bytes.count, start + Int.random(in: 0...most, using: &generator))
  }

  private mutating func seed() -> [UInt8] { target.seeds.randomElement(using: &generator) ?? [] }

  private mutating func word() -> [UInt8] { Array((target.words.randomElement(using: &generator) ?? "").utf8) }
}
