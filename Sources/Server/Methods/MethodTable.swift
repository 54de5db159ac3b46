import Catalog
import Domain
import Queries

/// Every method that the socket has, by name.
struct MethodTable: Sendable {
  /// Who answers a method.
  enum Entry: Sendable {
    case command
    case query
    case server(ServerMethod)

    /// Whether it is answered to those who haven't signed in.
    var isOpenToStrangers: Bool {
      if case .server(let method) = self { method.access == .anyone } else { false }
    }
  }

  private let entries: [String: Entry]

  /// The commands of a catalog that the socket may give, the queries, and the server's own methods, which come before a query of the same name.
  init(catalog: Catalog, engine: CommandEngine, queries: QueryEngine, server: [ServerMethod]) {
    var entries: [String: Entry] = [:]
    for query in queries.methods { entries[query.name] = .query }
    for method in catalog.commandMethods where engine.isCommand(method) { entries[method] = .command }
    entries[CommandEngine.batchMethod] = .command
    for method in server { entries[method.name] = .server(method) }
    self.entries = entries
  }

  /// How many methods there are.
  var count: Int { entries.count }

  /// The method of that name.
  subscript(name: String) -> Entry? {
    // Swift compares strings by normalization; a method's name is its bytes.
    guard name.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
    return entries[name]
  }

  /// Up to three names that were probably meant, the nearest first.
  func suggestions(for name: String) -> [String] {
    guard name.utf8.count <= 64 else { return [] }
    let wanted = Array(name.utf8)
    let allowed = max(2, wanted.count / 3)
    var near: [(name: String, distance: Int)] = []
    for candidate in entries.keys {
      let distance = Self.distance(wanted, Array(candidate.utf8), limit: allowed)
      if distance <= allowed { near.append((candidate, distance)) }
    }
    return near.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
  }

  /// The edit distance (insertions, deletions, replacements), or something above the limit.
  static func distance(_ left: [UInt8], _ right: [UInt8], limit: Int) -> Int {
    if abs(left.count - right.count) > limit { return limit + 1 }
    var last = Array(0...right.count)
    var current = last
    for row in left.indices {
      current[0] = row + 1
      for column in right.indices {
        let replaced = last[column] + (left[row] == right[column] ? 0 : 1)
        current[column + 1] = min(replaced, last[column + 1] + 1, current[column] + 1)
      }
      swap(&last, &current)
    }
    return last[right.count]
  }
}
