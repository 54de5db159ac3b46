import Catalog

/// The generated part of the read model of a versioned type's versions: one form for all of them, with the differences
/// that the catalog declares.
struct VersionTableText {
  private let type: ResourceType
  private let declared: VersionTable
  private let name: String
  private let spoken: String
  /// The column that refers to the resource (`pipeline_id`).
  private let reference: String
  /// The versioned fields, where each has a column.
  private let content: [Field]

  static func text(of type: ResourceType, _ table: VersionTable) -> String {
    let form = VersionTableText(type, table)
    return form.frontMatter + form.tables + form.comments + form.fill + form.fillOpened
  }

  private init(_ type: ResourceType, _ table: VersionTable) {
    self.type = type
    declared = table
    name = VersionTable.name(of: type)
    spoken = type.name.split(separator: "_").joined(separator: " ")
    reference = "\(type.name)_id"
    content = table.content == .columns ? type.versionedContent.compactMap { type.field($0) } : []
  }

  private var summary: String {
    let sentence = "Every version of every \(spoken), with all that is versioned as it then was."
    return declared.summary.isEmpty ? sentence : "\(sentence) \(SQLLayout.oneLine(declared.summary))"
  }

  private var frontMatter: String {
    var keys = [(key: "events", value: "\(type.name).*")]
    if declared.hasReasons { keys.append((key: "opens", value: "reason")) }
    keys.append((key: "summary", value: summary))
    return SQLLayout.frontMatter(type, name: name, keys)
  }

  private var columns: [(name: String, type: String)] {
    var columns = [(name: "id", type: "bigint PRIMARY KEY")]
    if type.organization != .none { columns.append(("organization_id", "uuid")) }
    columns += [(reference, "uuid"), ("version_number", "integer")]
    if declared.namedBy != nil { columns.append(("version_name", "varchar(255)")) }
    switch declared.content {
    case .snapshot: columns.append(("snapshot", "jsonb"))
    case .columns: columns += content.map { ($0.name, ProjectionFolder.sqlTypes($0)[0]) }
    }
    return columns + [
      ("is_active", "boolean"), ("rolled_back_to", "integer"), ("created_by", "uuid"), ("created_at", "timestamptz"),
      ("position", "bigint"),
    ]
  }

  private var tables: String {
    var text = "\n-- section: tables\n" + SQLLayout.table("daybook.\(name)", columns)
    text += """

      -- The fill looks versions up by it, so it is there from the start.
      CREATE UNIQUE INDEX \(name)_\(reference)_version_number
        ON daybook.\(name) (\(reference), version_number);

      """
    guard declared.hasReasons else { return text }
    text += "\n-- The reason that was given: unlogged, so that no value ever enters the write-ahead log or a replica.\n"
    return text
      + SQLLayout.table(
        "personal.\(name)", [("id", "bigint PRIMARY KEY"), ("change_description", "text")], unlogged: true)
  }

  private var comments: String {
    let event = "The position of the event that made the version"
    var meanings = [
      ("id", declared.numbering == .position ? "\(event)." : "\(event) × 2^20."),
      ("version_number", "1, 2, 3 … of the \(spoken): a version is made only when content differs."),
    ]
    if declared.namedBy != nil { meanings.append(("version_name", "The name that was given to it later.")) }
    switch declared.content {
    case .snapshot: meanings.append(("snapshot", "All versioned fields that had a value, with their values."))
    case .columns: meanings += content.compactMap { field in SQLLayout.meaning(of: field).map { (field.name, $0) } }
    }
    meanings += [
      ("is_active", "Whether it is the \(spoken)'s latest version."),
      ("rolled_back_to", "The version whose content a rollback brought back."),
      ("created_by", "The user who made it; the \(spoken)'s creator for version 1."),
    ]
    var text = "\n" + SQLLayout.comment(on: "TABLE daybook.\(name)", summary)
    for (column, meaning) in meanings { text += SQLLayout.comment(on: "COLUMN daybook.\(name).\(column)", meaning) }
    if declared.hasReasons {
      text += SQLLayout.comment(
        on: "COLUMN personal.\(name).change_description", "The reason of the command that made the version.")
    }
    return text + "\n"
  }

  private var fill: String {
    let filled = columns.map(\.name).filter { $0 != "version_name" }
    let identifier = declared.numbering == .position ? "e.position" : "e.position << 20"
    let owner = type.organization == .none ? [] : ["e.organization_id"]
    let merged = "coalesce(before.snapshot, '{}') - e.snapshot_removed || e.snapshot_changes"
    let (values, before, record): (String, String, String)
    switch declared.content {
    case .snapshot: (values, before, record) = ("  \(merged)", "v.snapshot", "")
    case .columns:
      values = SQLLayout.list(content.map { "s.\($0.name)" })
      before = "to_jsonb(v) AS snapshot"
      let types = content.map { "\($0.name) \(VersionTableText.recordType($0))" }
      record = "CROSS JOIN LATERAL jsonb_to_record(\(merged)) AS s (\n\(SQLLayout.list(types)))\n"
    }
    var text = """
      -- section: fill
      -- snapshot_changes holds every versioned field that the events of this chunk have set up to the version;
      -- snapshot_removed names those that they have cleared.
      INSERT INTO daybook.\(name) (
      \(SQLLayout.list(filled)))
      SELECT
      \(SQLLayout.list([identifier] + owner + ["e.resource_id", "e.version_number"])),
      \(values),
        e.version_number = max(e.version_number) OVER (PARTITION BY e.resource_id),
        (e.data ->> 'rolled_back_to')::integer,
        coalesce(e.user_id, (e.changes #>> '{created_by,to}')::uuid),
        e.at, e.position
      FROM staged_events AS e
      LEFT JOIN LATERAL (
        SELECT \(before) FROM daybook.\(name) AS v
        WHERE v.\(reference) = e.resource_id
        ORDER BY v.version_number DESC LIMIT 1
      ) AS before ON true
      \(record)WHERE e.resource_type = '\(type.name)' AND e.version_number IS NOT NULL;

      UPDATE daybook.\(name) AS v
      SET is_active = false
      FROM (
        SELECT resource_id, max(version_number) AS latest FROM staged_events
        WHERE resource_type = '\(type.name)' AND version_number IS NOT NULL GROUP BY resource_id
      ) AS e
      WHERE v.\(reference) = e.resource_id AND v.version_number < e.latest AND v.is_active;


      """
    guard let namedBy = declared.namedBy else { return text }
    text += """
      UPDATE daybook.\(name) AS v
      SET version_name = e.name
      FROM (
        SELECT DISTINCT ON (resource_id, data ->> 'version_number')
          resource_id, (data ->> 'version_number')::integer AS number, data ->> 'name' AS name
        FROM staged_events WHERE event = '\(type.name).\(namedBy)'
        ORDER BY resource_id, data ->> 'version_number', position DESC
      ) AS e
      WHERE v.\(reference) = e.resource_id AND v.version_number = e.number;


      """
    return text
  }

  private var fillOpened: String {
    guard declared.hasReasons else { return "" }
    return """
      -- section: fill opened
      INSERT INTO personal.\(name) (id, change_description)
      SELECT (e ->> 'position')::bigint\(declared.numbering == .position ? "" : " << 20"), e ->> 'reason'
      FROM jsonb_array_elements($1::jsonb) AS e
      WHERE e ? 'version_number';


      """
  }

  /// The type as which `jsonb_to_record` reads a field: a text's limit is its table's matter.
  private static func recordType(_ field: Field) -> String {
    let type = ProjectionFolder.sqlTypes(field)[0]
    return type.hasPrefix("varchar") ? "text" : type
  }
}
