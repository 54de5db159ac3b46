import BasicTypes
import CanonicalJSON
import EventLog
import Evidence
import MerkleTree

extension ExportTerms {
  /// The terms that an export's state holds; nil where it lacks one.
  package init?(_ state: ResourceState) {
    let fields = state.fields
    func count(_ name: String) -> UInt64? { fields[name]?.integerValue.flatMap { UInt64(exactly: $0) } }
    func time(_ name: String) -> Timestamp? { fields[name]?.stringValue.flatMap { Timestamp($0) } }
    guard let actor = fields["actor"]?.stringValue, let filter = fields["filter"].flatMap({ ExportFilter($0) }),
      let first = count("first_position"), let last = count("last_position"), let treeSize = count("tree_size"),
      let root = fields["root"]?.stringValue.flatMap({ MerkleTree.Digest(base64: $0) }),
      let events = count("event_count"), let withheld = count("withheld_count"),
      let isDecrypted = fields["is_decrypted"]?.boolValue
    else { return nil }
    self.init(
      id: state.id, actor: actor, at: state.createdAt, filter: filter, since: time("since"), until: time("until"),
      first: first, last: last, treeSize: treeSize, root: root, events: events,
      headersOf: state.reference("headers_of"),
      withheldTypes: (fields["withheld_types"]?.arrayValue ?? []).compactMap(\.stringValue), withheld: withheld,
      isDecrypted: isDecrypted)
  }
}
