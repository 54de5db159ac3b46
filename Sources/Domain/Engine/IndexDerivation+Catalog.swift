import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Records
import Vault

extension IndexDerivation {
  /// How the indexes of a log follow from its records by the catalog that it has recorded last, or by another one where
  /// it has recorded none, or none that this program reads.
  /// - Throws: ``EventLogError`` where the log can't be read.
  public static func recorded(
    in snapshot: borrowing LogSnapshot, vault: Vault, otherwise catalog: Catalog
  ) throws -> IndexDerivation {
    let id = CommandEngine.catalogIdentifier
    let state = try snapshot.state(id)
    let revisions = try snapshot.history(of: id, versions: (state?.version ?? 1)...Int64.max)
    let source = try revisions.last?.parsedBody().data["source"]?.objectValue
    let recorded = source.flatMap { source in
      // JSON is YAML. A catalog of an older program may have what this one doesn't read any more.
      try? Catalog.load(
        files: source.map { (name: $0.key, text: $0.value.canonicalString) }, label: "the log's catalog")
    }
    let rules = IndexRules(catalog: recorded ?? catalog, vault: vault)
    return IndexDerivation(
      defaults: StateDefaults(state?.fields["defaults"]?.objectValue ?? [:]),
      entries: { state, snapshot in
        let entries = try rules.entries(for: state) { try snapshot.state($0)?.fields["platform"]?.stringValue }
        return Entries(unique: entries.unique, links: entries.links)
      },
      subjects: { header, body, snapshot in
        try rules.subjects(of: header, body) { field in
          try snapshot.fold(header.resource, through: header.position)?.reference(field)
        }
      })
  }
}
