import CanonicalJSON
import Catalog
import Foundation
import TestBasics
import Testing

/// One way to write a catalog wrong: a line put into a sound file, and what must be reported of which line.
struct Mistake: Sendable, CustomTestStringConvertible {
  let find: String
  let replace: String
  let line: Int
  let message: String
  var testDescription: String { message }

  init(_ find: String, _ replace: String, _ line: Int, _ message: String) {
    self.find = find
    self.replace = replace
    self.line = line
    self.message = message
  }
}

@Suite struct CatalogMistakeTests {
  static let sound = """
    resource: thing
    plural: things
    summary: A thing.
    organization: required
    natural_keys: [code]
    fields:
      name: {type: string, max: 20, required: true, default: plain}
      code: {type: slug, max: 10}
      level: {type: enum, values: [low, high], synonyms: {top: high}}
      status: {type: enum, values: [draft, active], assignable: false}
      owner_id: {type: reference, to: user, on_delete: clear}
      note: {type: text, personal: {subject: owner_id, purpose: p, legal_basis: l, category: c, retention: r, recipients: [administrators]}}
      config: {type: object, secret: {members: [password]}}
      rank: {type: integer, min: 1, max: 9}
      done_at: {type: timestamp}
      rows: {type: list, items: {label: {type: text}}}
      version_number: {type: integer, assignable: false}
    unique:
      thing_code: {fields: [code]}
    lifecycle: {field: status, initial: draft}
    versioned: [name]
    commands:
      create: {}
      edit: {}
      open: {event: opened, from: [draft], to: active, sets: {done_at: $now, owner_id: $actor}}
      poke: {event: poked, behaviour: thing.poke, params: {hard: {type: boolean}}}
    facts:
      seen: {retention: logs, sealed: [lines]}
    """

  static let others: [(name: String, text: String)] = [
    (
      "organization.yaml",
      """
      resource: organization
      plural: organizations
      summary: A tenant.
      organization: none
      fields:
        platform: {type: enum, values: [etlab]}
      """
    ),
    ("user.yaml", "resource: user\nplural: users\nsummary: A person.\norganization: none\n"),
  ]

  static func problems(_ text: String) -> [String] {
    do {
      _ = try Catalog.load(
        files: others + [("thing.yaml", text)], label: "schema", knownBehaviours: ["thing.poke"])
      return []
    } catch {
      return error.problems.map(\.description)
    }
  }

  @Test func `the sound file has no mistake`() {
    #expect(Self.problems(Self.sound) == [])
  }

  static let mistakes: [Mistake] = [
    Mistake(
      "type: string, max: 20", "tpye: string, max: 20", 7, "unknown key 'tpye' in field 'name' (did you mean 'type'?)"),
    Mistake("type: string, max: 20, ", "max: 20, ", 7, "missing key 'type' in field 'name'"),
    Mistake(
      "type: string, max: 20", "type: strnig, max: 20", 7,
      "unknown type 'strnig' of field 'name' (did you mean 'string'?)"),
    Mistake(
      "type: string, max: 20", "type: string", 7,
      "missing key 'max' in field 'name': a string has a length limit, a text has none"),
    Mistake(
      "plain}", "much too long a default}", 7,
      "the default of field 'name' breaks the field's own rules: must be at most 20 characters"),
    Mistake("required: true", "required: maybe", 7, "'required' of field 'name' must be true or false"),
    Mistake("summary: A thing.", "sumary: A thing.", 3, "unknown key 'sumary' in the file (did you mean 'summary'?)"),
    Mistake("summary: A thing.\n", "", 1, "missing key 'summary'"),
    Mistake(
      "organization: required", "organization: requird", 4,
      "'organization': unknown word 'requird' (did you mean 'required'?)"),
    Mistake("plural: things", "plural: users", 2, "plural 'users' is in schema/user.yaml already"),
    Mistake("resource: thing\n", "resource: user\n", 1, "resource 'user' belongs in a file named user.yaml"),
    Mistake("resource: thing\n", "resource: user\n", 1, "resource 'user' is in schema/user.yaml already"),
    Mistake(
      "resource: thing\n", "resource: Thing\n", 1,
      "'resource': a name has lower-case letters, digits and '_', and starts with a letter"),
    Mistake("to: user", "to: usr", 11, "field 'owner_id': unknown resource type 'usr' (did you mean 'user'?)"),
    Mistake("to: user, ", "", 11, "missing key 'to' in field 'owner_id'"),
    Mistake(
      "on_delete: clear", "on_delete: claer", 11,
      "'on_delete' of field 'owner_id': unknown word 'claer' (did you mean 'clear'?)"),
    Mistake(", on_delete: clear", "", 11, "missing key 'on_delete' in field 'owner_id'"),
    Mistake(
      "on_delete: clear", "on_delete: clear, required: true", 11,
      "'on_delete: clear' of field 'owner_id': a required field can't be cleared"),
    Mistake(
      "fields: [code]", "fields: [cod]", 19,
      "unique constraint 'thing_code': unknown field 'cod' (did you mean 'code'?)"),
    Mistake(
      "fields: [code]", "fields: [config]", 19,
      "unique constraint 'thing_code': a field of type object can't be unique ('config')"),
    Mistake(
      "fields: [code]", "fields: [code], platforms: [etlub]", 19,
      "unique constraint 'thing_code': unknown platform 'etlub' (did you mean 'etlab'?)"),
    Mistake(
      "fields: [code]", "fields: [code], ignorecase: true", 19,
      "unknown key 'ignorecase' in unique constraint 'thing_code' (did you mean 'ignore_case'?)"),
    Mistake("natural_keys: [code]", "natural_keys: [name]", 5, "'natural_keys': 'name' is not unique by itself"),
    Mistake("field: status", "field: name", 20, "the lifecycle's field 'name' is not an enum"),
    Mistake("field: status", "field: level", 20, "the lifecycle's field 'level' must be 'assignable: false'"),
    Mistake(
      "initial: draft", "initial: drfat", 20,
      "'initial' of 'lifecycle': 'drfat' is not a value of 'status' (did you mean 'draft'?)"),
    Mistake(
      "initial: draft", "initial: draft, initial_choices: [active]", 20,
      "'initial_choices' of 'lifecycle' leaves out the initial state 'draft'"),
    Mistake(
      "from: [draft]", "from: [darft]", 25,
      "'from' of command 'open': 'darft' is not a value of 'status' (did you mean 'draft'?)"),
    Mistake(
      "to: active", "to: actve", 25,
      "'to' of command 'open': 'actve' is not a value of 'status' (did you mean 'active'?)"),
    Mistake(
      "lifecycle: {field: status, initial: draft}\n", "", 24, "'to' of command 'open', but there is no lifecycle"),
    Mistake("versioned: [name]", "versioned: [nane]", 21, "'versioned': unknown field 'nane' (did you mean 'name'?)"),
    Mistake(
      "  version_number: {type: integer, assignable: false}\n", "", 20,
      "'versioned' needs a field 'version_number' of type integer that is not assignable"),
    Mistake(
      "done_at: $now", "doneat: $now", 25, "'sets' of command 'open': unknown field 'doneat' (did you mean 'done_at'?)"),
    Mistake(
      "done_at: $now", "done_at: $nwo", 25, "'sets' of command 'open': unknown word '$nwo' (did you mean '$now'?)"),
    Mistake(
      "done_at: $now", "rank: 12", 25,
      "'sets' of command 'open': the value of 'rank' breaks the field's own rules: must be at most 9"),
    Mistake("done_at: $now", "name: $now", 25, "'sets' of command 'open': '$now' is a time and 'name' is none"),
    Mistake(
      "owner_id: $actor", "name: $actor", 25, "'sets' of command 'open': '$actor' is a user and 'name' refers to none"),
    Mistake("done_at: $now", "status: active", 25, "'sets' of command 'open': 'status' moves by 'to' only"),
    Mistake("event: opened, ", "", 25, "missing key 'event' in command 'open'"),
    Mistake("event: opened", "event: edited", 25, "commands 'edit' and 'open' record the same event 'edited'"),
    Mistake(
      "event: opened", "event: opened, permission: wirte", 25,
      "'permission' of command 'open': unknown word 'wirte' (did you mean 'write'?)"),
    Mistake(
      "event: opened", "event: opened, needs_id: false", 25,
      "command 'open' changes a resource: it can't do without an id"),
    Mistake("edit: {}", "edit: {effect: delete}", 24, "command 'edit' has the effect edit by its name"),
    Mistake("edit: {}", "list: {event: listed, effect: edit}", 24, "command 'list' has the name of a query"),
    Mistake(
      "edit: {}", "touch: {event: touched}", 24,
      "command 'touch' does nothing: it needs 'effect', 'to', 'sets' or 'behaviour'"),
    Mistake(
      "create: {}", "create: {to: active}", 23, "'to' of command 'create': what is made only now has no state before"),
    Mistake(
      "behaviour: thing.poke", "behaviour: thing.pike", 26,
      "command 'poke': unknown behaviour 'thing.pike' (did you mean 'thing.poke'?)"),
    Mistake(
      "hard: {type: boolean}", "reason: {type: text}", 26,
      "parameter 'reason' of command 'poke' has the name of a parameter of every command"),
    Mistake(
      "hard: {type: boolean}", "hard: {type: boolean, personal: {}}", 26,
      "unknown key 'personal' in parameter 'hard' of command 'poke'"),
    Mistake(
      "create: {}", "create: {params: {name: {type: text}}}", 23,
      "parameter 'name' of command 'create' has the name of a field that the command takes anyway"),
    Mistake(
      "recipients: [administrators]", "", 12,
      "missing key 'recipients' in 'personal' of field 'note': the record of processing needs it (GDPR Art. 30)"),
    Mistake(
      "recipients: [administrators]", "recipients: everybody", 12,
      "'recipients' of 'personal' of field 'note' must be a list"),
    Mistake(
      "recipients: [administrators]", "recipients: [the persons, administrators]", 12,
      """
      'recipients' of 'personal' of field 'note': 'the persons' is no recipient; there are the person, members, \
      organization administrators, officers, auditors, administrators (did you mean 'the person'?)
      """),
    Mistake(
      "recipients: [administrators]", "recipients: [members]", 12,
      "'recipients' of 'personal' of field 'note' must name administrators, to whom everything is shown"),
    Mistake(
      "purpose: p, ", "", 12,
      "missing key 'purpose' in 'personal' of field 'note': the record of processing needs it (GDPR Art. 30)"),
    Mistake("legal_basis: l", "legal_basis: ''", 12, "'legal_basis' of 'personal' of field 'note' is empty"),
    Mistake(
      "subject: owner_id", "subject: name", 12,
      "'personal' of field 'note': the subject field 'name' is not a reference to user"),
    Mistake(
      "secret: {members: [password]}", "secret: wohle", 13,
      "'secret' of field 'config': unknown word 'wohle' (did you mean 'whole'?)"),
    Mistake("values: [low, high]", "values: [low, low, high]", 9, "'values' of field 'level' names 'low' twice"),
    Mistake(
      "top: high", "top: hihg", 9,
      "synonym 'top' of field 'level' stands for 'hihg', which is no value (did you mean 'high'?)"),
    Mistake("top: high", "low: high", 9, "synonym 'low' of field 'level' is a value itself"),
    Mistake("values: [low, high], ", "", 9, "missing key 'values' in field 'level'"),
    Mistake("min: 1, max: 9", "min: -1e300, max: 9", 14, "'min' of field 'rank' is no integer"),
    Mistake("min: 1, max: 9", "min: 1, max: 2147483648", 14, "'max' of field 'rank' is no integer"),
    Mistake(
      "max: 20", "max: 1e300", 7,
      "'max' of field 'name' must be a whole number from 1 to 10485760: the greatest length in characters"),
    Mistake("min: 1, max: 9", "min: 10, max: 9", 14, "'min' of field 'rank' is above its 'max'"),
    Mistake(
      "{type: timestamp}", "{type: timestamp, max: 3}", 15, "'max' makes no sense for field 'done_at' of type timestamp"
    ),
    Mistake("{type: list, items: {label: {type: text}}}", "{type: list}", 16, "missing key 'items' in field 'rows'"),
    Mistake(
      "{label: {type: text}}", "{label: {type: txt}}", 16,
      "unknown type 'txt' of member 'label' of 'rows' (did you mean 'text'?)"),
    Mistake(
      "  name: {type", "  created_at: {type: timestamp}\n  name: {type", 7,
      "field 'created_at' is there without being declared"),
    Mistake("  code: {type", "  name: {type: text}\n  code: {type", 7, "duplicate key 'name' in one mapping"),
    Mistake(
      "{retention: logs, sealed: [lines]}", "{sealed: [lines]}", 28,
      "missing key 'retention' in fact 'seen': what is sealed needs the class whose key seals it"),
    Mistake("create: {}", "create: [", 24, "is not YAML"),
  ]

  @Test(arguments: mistakes) func `a mistake is reported with its file and line`(_ mistake: Mistake) throws {
    let range = try #require(Self.sound.range(of: mistake.find), "the sound file has no '\(mistake.find)'")
    let problems = Self.problems(Self.sound.replacingCharacters(in: range, with: mistake.replace))
    let expected = "schema/thing.yaml:\(mistake.line): \(mistake.message)"
    #expect(
      problems.contains {
        $0 == expected || $0.hasPrefix(expected + ":")
          || (mistake.message == "is not YAML" && $0.contains("is not YAML"))
      }, "\(problems)")
  }

  @Test func `all mistakes of all files are reported together, in order`() {
    let text = Self.sound
      .replacingOccurrences(of: "type: slug", with: "type: slag")
      .replacingOccurrences(of: "on_delete: clear", with: "on_delete: never")
    var files = Self.others + [("thing.yaml", text)]
    files[1].text += "colour: red\n"
    do {
      _ = try Catalog.load(files: files, label: "schema")
      Issue.record("loaded")
    } catch {
      #expect(
        error.problems.map { "\($0.file):\($0.line)" } == [
          "schema/thing.yaml:5", "schema/thing.yaml:8", "schema/thing.yaml:11", "schema/thing.yaml:19",
          "schema/user.yaml:5",
        ])
    }
  }

  @Test func `a folder is read by the names of its files, and its mistakes name the folder`() throws {
    let temporary = try TemporaryFolder()
    defer { withExtendedLifetime(temporary) {} }
    let folder = URL(fileURLWithPath: temporary.path + "/rules")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (name, text) in Self.others { try Data(text.utf8).write(to: folder.appendingPathComponent(name)) }
    try Data(Self.sound.utf8).write(to: folder.appendingPathComponent("thing.yaml"))
    try Data("not read".utf8).write(to: folder.appendingPathComponent("README.md"))
    let catalog = try Catalog.load(folder: folder.path)
    #expect(catalog.types.map(\.name) == ["organization", "thing", "user"])
    try Data([0xFF]).write(to: folder.appendingPathComponent("wrong.yaml"))
    try Data().write(to: folder.appendingPathComponent("void.yaml"))
    do {
      _ = try Catalog.load(folder: folder.path)
      Issue.record("loaded")
    } catch {
      #expect(
        error.problems.map(\.description) == [
          "rules/void.yaml:1: the file is empty", "rules/wrong.yaml:1: the file is not UTF-8",
        ])
    }
    #expect(throws: CatalogError.self) { try Catalog.load(folder: folder.path + "/absent") }
  }

  @Test func `the revision goes by what is said, not by how it is written`() throws {
    func revision(_ text: String) throws -> String {
      try Catalog.load(files: Self.others + [("thing.yaml", text)], label: "schema").revision
    }
    let first = try revision(Self.sound)
    var lines = Self.sound.split(separator: "\n").map(String.init)
    lines.swapAt(0, 1)
    lines.swapAt(7, 8)
    lines.insert("# a comment", at: 3)
    lines[9] = lines[9].replacingOccurrences(
      of: "{type: enum, values: [draft, active]", with: "{values: [draft, 'active'], type: enum")
    #expect(try revision(lines.joined(separator: "\n")) == first)
    #expect(try revision(Self.sound.replacingOccurrences(of: "max: 20", with: "max: 21")) != first)
  }

  @Test func `a recorded catalog may say in free text who the recipients are, a folder may not`() throws {
    let text = """
      resource: thing
      plural: things
      summary: A thing.
      organization: none
      fields:
        name:
          type: text
          administrators_only: true
          personal: {subject: self, purpose: p, legal_basis: l, category: c, retention: r, recipients: administrators}
      """
    #expect(Self.problems(text).count == 2)
    let recorded = try Catalog.load(recorded: Self.others + [("thing.yaml", text)], label: "the log's catalog")
    #expect(recorded.type("thing")?.field("name")?.personal?.recipients == [.administrators])
  }

  @Test func `what a record of processing lacks is told as missing`() throws {
    let record = PersonalData(
      subject: .resource, purpose: "", legalBasis: "Contract", category: "user", retention: "r",
      recipients: [.person, .administrators])
    var field = Field(name: "name", type: .text)
    field.personal = record
    let type = ResourceType(
      name: "thing", plural: "things", summary: "", organization: .none, naturalKeys: [], fields: [field], unique: [],
      lifecycle: nil, versionedContent: [], commands: [], facts: [], hasReadModel: true)
    let entry = try #require(
      Catalog(types: [type], platforms: [], revision: "", source: [:]).processingRecord.arrayValue?.first)
    #expect(entry["purpose"] == "MISSING" && entry["legal_basis"] == "Contract")
    #expect(entry["recipients"] == "the person, administrators")
  }

  @Test func `anchors and merge keys stand for what they name, and own keys win`() throws {
    let text = """
      resource: thing
      plural: things
      summary: A thing.
      organization: none
      processing: &record
        purpose: p
        legal_basis: l
        category: c
        retention: r
        recipients: [the person, administrators]
      fields:
        name: {type: text, personal: {subject: self, <<: *record, category: own}}
        code: &code {type: slug, max: 10}
        other: *code
      """
    let thing = try #require(
      try Catalog.load(files: Self.others + [("thing.yaml", text)], label: "schema").type("thing"))
    let personal = try #require(thing.field("name")?.personal)
    #expect(personal.category == "own" && personal.recipients == [.person, .administrators])
    #expect(thing.field("other")?.type == .slug && thing.field("other")?.maximumLength == 10)
    #expect(
      Self.problems(text.replacingOccurrences(of: "retention: r", with: "retintion: r")).contains {
        $0 == "schema/thing.yaml:9: unknown key 'retintion' in 'processing' (did you mean 'retention'?)"
      })
  }
}
