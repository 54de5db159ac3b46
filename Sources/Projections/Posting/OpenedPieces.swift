import CanonicalJSON

/// JSON arrays that are cut when they grow long.
struct OpenedPieces {
  /// A piece goes out once it is this long, so that PostgreSQL never spills it to disk.
  private static let limit = 1 << 20

  private var done: [[UInt8]] = []
  private var current: [UInt8] = []

  mutating func add(_ object: JSONObject) {
    var bytes: [UInt8] = []
    object.writeCanonical(into: &bytes)
    add(bytes)
  }

  mutating func add(_ row: [UInt8]) {
    current.append(current.isEmpty ? UInt8(ascii: "[") : UInt8(ascii: ","))
    current.append(contentsOf: row)
    guard current.count >= OpenedPieces.limit else { return }
    current.append(UInt8(ascii: "]"))
    done.append(current)
    current = []
  }

  var all: [[UInt8]] { current.isEmpty ? done : done + [current + [UInt8(ascii: "]")]] }
}
