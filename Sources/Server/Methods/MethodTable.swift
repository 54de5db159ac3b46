import Catalog
import Domain
import Queries
import Refusals

/// Every method that the socket has, by name: commands, queries, and the server's own. A call is looked up here once;
/// the entry goes with it from then on.
struct MethodTable: Sendable {
  /// A method, and who answers it.
  enum Entry: Sendable {
    case command(CommandMethod)
    case query(QueryMethod)
    case server(ServerMethod)

    /// What everybody may know of it.
    var signature: MethodSignature {
      switch self {
      case .command(let command): command.signature
      case .query(let query): query.signature
      case .server(let method): method.signature
      }
    }

    /// Whether it is answered to those who haven't signed in.
    var isOpenToStrangers: Bool {
      if case .server(let method) = self { method.access == .anyone } else { false }
    }
  }

  private let entries: [String: Entry]

  /// The server's own methods come before a command or query of the same name.
  init(commands: [CommandMethod], queries: [QueryMethod], server: [ServerMethod]) {
    let all = queries.map(Entry.query) + commands.map(Entry.command) + server.map(Entry.server)
    entries = Dictionary(all.map { ($0.signature.name, $0) }, uniquingKeysWith: { _, last in last })
  }

  /// How many methods there are.
  var count: Int { entries.count }

  /// All methods, in the order of their names.
  var signatures: [MethodSignature] { entries.values.map(\.signature).sorted { $0.name < $1.name } }

  /// The method of that name.
  subscript(name: String) -> Entry? {
    // Swift compares strings by normalization; a method's name is its bytes.
    guard name.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
    return entries[name]
  }

  /// What a call of a method is refused with that there is none of.
  func unknown(_ name: String) -> Refusal {
    .methodNotFound(name, among: entries.keys)
  }
}
