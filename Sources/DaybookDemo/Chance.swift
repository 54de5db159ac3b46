/// The demo's only source of chance: SplitMix64, so that a seed tells the whole story again, anywhere.
struct Chance: RandomNumberGenerator {
  private var state: UInt64

  /// A stream of its own for a name: what one part of the story draws changes nothing in another.
  init(seed: UInt64, _ name: String) {
    // FNV-1a over the name, then one round of mixing, so that names alike don't make streams alike.
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    state = Chance.mixed(hash &+ Chance.mixed(seed &+ 0x9E37_79B9_7F4A_7C15))
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Chance.mixed(state)
  }

  /// Whether something that happens that often happens now.
  mutating func happens(_ probability: Double) -> Bool { fraction() < probability }

  /// A number from 0 up to, not including, 1.
  mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A whole number of a range; the same on every machine.
  mutating func number(_ range: ClosedRange<Int>) -> Int {
    let width = UInt64(range.upperBound - range.lowerBound + 1)
    return range.lowerBound + Int(next().multipliedFullWidth(by: width).high)
  }

  /// A number of a range, to so many decimals.
  mutating func amount(_ range: ClosedRange<Double>, decimals: Int = 2) -> Double {
    let scale = (0..<decimals).reduce(1.0) { product, _ in product * 10 }
    return ((range.lowerBound + fraction() * (range.upperBound - range.lowerBound)) * scale).rounded() / scale
  }

  /// One of some things. There must be one.
  mutating func one<Element>(of elements: [Element]) -> Element {
    elements[number(0...elements.count - 1)]
  }

  /// Some of the things, in an order of their own.
  mutating func some<Element>(_ count: Int, of elements: [Element]) -> [Element] {
    var rest = elements
    var taken: [Element] = []
    while taken.count < count, !rest.isEmpty { taken.append(rest.remove(at: number(0...rest.count - 1))) }
    return taken
  }

  /// So many hexadecimal digits.
  mutating func hexadecimal(_ digits: Int) -> String {
    String(decoding: (0..<digits).map { _ in Array("0123456789abcdef".utf8)[number(0...15)] }, as: UTF8.self)
  }

  private static func mixed(_ value: UInt64) -> UInt64 {
    var word = value
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }
}
