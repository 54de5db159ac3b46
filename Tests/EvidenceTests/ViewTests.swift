import BasicTypes
import CanonicalJSON
import Evidence
import Foundation
import MerkleTree
import TestBasics
import Testing

@Suite struct ViewTests {
  /// A bundle with every file, and its folder.
  private func withViews(_ body: (FakeLog, String, TemporaryFolder) async throws -> Void) async throws {
    try await withBundles { folder in
      let log = try FakeLog(150)
      let path = folder.path + "/bundle"
      try await log.bundle(into: path, mappings: BundleRequest.Mapping.allCases)
      try await body(log, path, folder)
    }
  }

  @Test func `the table has a row a record and no cell that a spreadsheet takes for a formula`() async throws {
    try await withViews { log, path, _ in
      let text = String(decoding: try bytes(path + "/audit.csv"), as: UTF8.self)
      let rows = try CSV.rows(text)
      #expect(rows.count == log.records.count + 1)
      #expect(Set(rows.map(\.count)) == [12] && rows[0].last == "on_behalf_of")
      for cell in rows.joined() {
        if let first = cell.unicodeScalars.first { #expect(!"=+-@\t\r".unicodeScalars.contains(first), "\(cell)") }
      }
      #expect(text.contains("=HYPERLINK"), "the formula is there as text, within a cell")
      #expect(rows[5][0] == "5" && rows[5][2] == log.records[4].parsed.event)
    }
  }

  @Test(arguments: ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\u{FF1D}1", "plain", "", "a\"b,c\r\nd"])
  func `a cell says what it is given, and never begins a formula`(_ value: String) throws {
    let rows = try CSV.rows(EvidenceCell.text(value) + "\r\n")
    #expect(rows.count == 1 && rows[0].count == 1)
    let isLive = value.unicodeScalars.first.map { "=+-@\t\r\n\u{FF1D}".unicodeScalars.contains($0) } ?? false
    #expect(Array(rows[0][0].utf8) == Array(((isLive ? "'" : "") + value).utf8))
  }

  @Test func `the page needs nothing from elsewhere, runs nothing, and can be read aloud`() async throws {
    try await withBundles { folder in
      let log = try FakeLog(1500)
      let path = folder.path + "/bundle"
      try await log.bundle(into: path)
      let page = String(decoding: try bytes(path + "/report.html"), as: UTF8.self)
      let lower = page.lowercased()
      for forbidden in ["<script", "javascript:", " src=", "href=", "<link", "@import", "url(", "<iframe", " on"] {
        if forbidden == " on" {
          #expect(lower.range(of: #"\son[a-z]+\s*="#, options: .regularExpression) == nil)
        } else {
          #expect(!lower.contains(forbidden), "\(forbidden)")
        }
      }
      for needed in [
        "<html lang=\"en\">", "<title>", "role=\"img\"", "aria-labelledby=\"when-title when-text\"", "<caption>",
        "scope=\"col\"", "scope=\"row\"", "@media print", "<rect ",
      ] {
        #expect(page.contains(needed), "\(needed)")
      }
      #expect(page.contains("The first 1000 of 1500 records"))
      // Every tag that is opened is closed.
      let checked = try await runProgram(
        ["python3", "-c", Self.tagCheck, path + "/report.html"], in: folder)
      #expect(checked.status == .code(0), "\(checked.errors)")
    }
  }

  private static let tagCheck = """
    import html.parser, sys
    class Check(html.parser.HTMLParser):
        stack = []
        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "rect", "line"): self.stack.append(tag)
        def handle_startendtag(self, tag, attrs): pass
        def handle_endtag(self, tag):
            assert self.stack and self.stack.pop() == tag, (tag, self.getpos())
    check = Check()
    check.feed(open(sys.argv[1], encoding="utf-8").read())
    assert not check.stack, check.stack
    """

  @Test func `an OCSF event stands for each record, with what its class requires`() async throws {
    try await withViews { log, path, _ in
      let events = try lines(path + "/ocsf.jsonl").map { try JSON.parse($0) }
      #expect(events.count == log.records.count)
      for (event, record) in zip(events, log.records) {
        let type = event["class_uid"]?.integerValue
        #expect(type == 6003 && event["category_uid"] == 6)
        #expect(event["type_uid"]?.integerValue == 600_300 + (event["activity_id"]?.integerValue ?? -1))
        for name in ["actor", "api", "metadata", "severity_id", "src_endpoint", "time", "activity_id"] {
          #expect(event[name] != nil, "\(name)")
        }
        #expect(event["metadata"]?["version"] == "1.3.0" && event["metadata"]?["product"]?["vendor_name"] != nil)
        #expect(event["metadata"]?["uid"] == .string(record.parsed.id.text))
        #expect(event["api"]?["operation"] == .string(record.parsed.event))
      }
    }
  }

  @Test func `the document of OSCAL says satisfied or not by what was measured`() async throws {
    try await withViews { log, path, folder in
      func states(_ path: String) throws -> [String: String] {
        let document = try JSON.parse(bytes(path + "/oscal.json").dropLast())["assessment-results"]
        let findings = document?["results"]?.arrayValue?.first?["findings"]?.arrayValue ?? []
        return Dictionary(
          uniqueKeysWithValues: findings.compactMap { finding in
            guard let id = finding["target"]?["target-id"]?.stringValue,
              let state = finding["target"]?["status"]?["state"]?.stringValue
            else { return nil }
            return (id, state)
          })
      }
      let whole = try states(path)
      #expect(whole.count == 7 && whole.values.allSatisfy { $0 == "satisfied" }, "\(whole)")
      // Where headers are withheld, completeness isn't shown.
      let tenant = folder.path + "/tenant"
      try await log.bundle(
        ["organization_id": .string(FakeLog.acme.text), "withhold_others": true], into: tenant, mappings: [.oscal])
      let partly = try states(tenant)
      #expect(partly["au-12_obj"] == "not-satisfied" && partly["au-9_obj"] == "satisfied", "\(partly)")
      // A log that shows a header of another tree than it signed.
      let exports = FakeLog.Exports()
      exports.forges = 20
      let forged = folder.path + "/forged"
      try await log.bundle(["from": 2], into: forged, mappings: [.oscal], exports: exports)
      let states = try states(forged)
      #expect(states["au-9_obj"] == "not-satisfied" && states["au-9.3_obj"] == "satisfied", "\(states)")
      #expect(try !Verifiers.swift(forged, key: log.signer.verifier).isProved)
    }
  }

  @Test(.enabled(if: Validators.have("prov"), "PyPI's prov is not installed for DAYBOOK_VALIDATORS"))
  func `prov loads the document and writes the same again`() async throws {
    try await withViews { _, path, folder in
      try await Validators.run(
        """
        import sys
        from prov.model import ProvDocument
        document = ProvDocument.deserialize(sys.argv[1] + "/prov.json")
        assert ProvDocument.deserialize(content=document.serialize()) == document
        assert len(document.get_records()) > 500, len(document.get_records())
        """, path, in: folder)
    }
  }

  @Test(
    .enabled(if: Validators.have("trestle.oscal"), "PyPI's compliance-trestle is not installed for DAYBOOK_VALIDATORS"))
  func `compliance-trestle takes the document for OSCAL assessment results`() async throws {
    try await withViews { _, path, folder in
      try await Validators.run(
        """
        import json, re, sys
        from trestle.oscal import OSCAL_VERSION_REGEX
        from trestle.oscal.assessment_results import Model
        document = json.load(open(sys.argv[1] + "/oscal.json"))
        metadata = document["assessment-results"]["metadata"]
        assert metadata["oscal-version"] == "1.1.3"
        # Later versions of the library know their own version of OSCAL alone; the form is the same.
        if not re.match(OSCAL_VERSION_REGEX, "1.1.3"): metadata["oscal-version"] = "1.2.1"
        Model.model_validate(document) if hasattr(Model, "model_validate") else Model.parse_obj(document)
        """, path, in: folder)
    }
  }

  @Test(
    .enabled(if: Validators.have("py_ocsf_models"), "PyPI's py-ocsf-models is not installed for DAYBOOK_VALIDATORS"))
  func `py-ocsf-models takes the OCSF events for base events`() async throws {
    try await withViews { _, path, folder in
      try await Validators.run(
        """
        import json, sys
        from py_ocsf_models.objects.metadata import Metadata
        from py_ocsf_models.events.base_event import BaseEvent
        for line in open(sys.argv[1] + "/ocsf.jsonl"):
            event = json.loads(line)
            Metadata.model_validate(event["metadata"])
            BaseEvent.model_validate({k: v for k, v in event.items() if k in BaseEvent.model_fields})
        """, path, in: folder)
    }
  }
}

/// A reader of RFC 4180.
private enum CSV {
  static func rows(_ text: String) throws -> [[String]] {
    var rows: [[String]] = []
    var row: [String] = []
    var cell = String.UnicodeScalarView()
    var isQuoted = false
    var scalars = Array(text.unicodeScalars)[...]
    while let scalar = scalars.popFirst() {
      switch scalar {
      case "\"" where isQuoted && scalars.first == "\"":
        cell.append(scalar)
        scalars.removeFirst()
      case "\"": isQuoted.toggle()
      case "," where !isQuoted:
        row.append(String(cell))
        cell = String.UnicodeScalarView()
      case "\r" where !isQuoted:
        guard scalars.popFirst() == "\n" else { throw HarnessError("a CR without an LF outside of quotes") }
        row.append(String(cell))
        rows.append(row)
        row = []
        cell = String.UnicodeScalarView()
      default: cell.append(scalar)
      }
    }
    guard row.isEmpty, cell.isEmpty, !isQuoted else { throw HarnessError("the last row isn't ended") }
    return rows
  }
}
