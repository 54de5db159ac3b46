import ArgumentParser
import BasicTypes
import CanonicalJSON
import DaybookClient
import Evidence
import Files
import MerkleTree

/// `daybook export`: an evidence bundle.
struct Export: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make an evidence bundle of the log: records, and the proof that none was left out.",
    discussion: """
      The folder holds the records exactly as they are hashed, every header of
      their range, proofs and a signed checkpoint, so that whoever gets it can
      verify it without this server and without this program; a table and a page
      for people; and what --with asks for. The export, its purpose and the digest
      of its manifest become events of the log. Sealed values stay sealed, but in
      what --decrypt adds for whoever sees them.

      A run that was interrupted is gone on with by the same command. A folder
      with anything else in it is never touched.

      EXAMPLES
        daybook export ./evidence --reason "audit of 2026" --organization acme
        daybook export ./evidence --reason "case 12" --resource-type pipeline \\
          --since 2026-01-01T00:00:00Z --with ocsf,prov,oscal
        daybook verify-bundle ./evidence --key "$KEY"
      """)

  @Argument(help: "The folder to make.", completion: .directory)
  var folder: String

  @Option(name: .long, help: "What for; it is recorded, and stands in the manifest.") var reason: String
  @Option(name: .long, help: "An organization, by id or slug.", completion: Completions.organizations)
  var organization: String?
  @Flag(name: .long, help: "Events of all organizations and of none, where you belong to one.") var wholeService = false
  @Option(name: .long, help: "Resource types, such as pipeline,run.") var resourceType: [String] = []
  @Option(name: .long, help: "Ids of resources.") var resource: [String] = []
  @Option(name: .long, help: "Events, such as pipeline.edited or pipeline.*.") var event: [String] = []
  @Option(name: .long, help: "Who, such as user:<uuid> or local:0.") var actor: String?
  @Option(name: .long, help: "The first time (RFC 3339).") var since: String?
  @Option(name: .long, help: "The time before which they are (RFC 3339).") var until: String?
  @Option(name: .long, help: "The first position.") var from: Int64?
  @Option(name: .long, help: "The last position.") var to: Int64?
  @Option(name: .long, help: "Persons whom the reason is about, by id.") var about: [String] = []
  @Option(name: .long, help: "What else to make of the records: ocsf, prov, oscal.") var with: [String] = []
  @Flag(name: .long, help: "Show of other organizations' headers the hash alone.") var withholdOthers = false
  @Flag(name: .long, help: "Add values and reasons in the clear, as far as you see them.") var decrypt = false

  @Option(
    name: .long, help: "A checkpoint from before, to be proved the beginning of this log.", completion: .file())
  var checkpoint: [String] = []

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    for name in words(with) where BundleRequest.Mapping(rawValue: name) == nil {
      throw ValidationError("--with takes ocsf, prov and oscal, not \(name).")
    }
  }

  func run() async throws {
    let target = Program.absolute(folder)
    let sizes = try checkpoint.map { try KeptCheckpoint($0).size }
    let bar = SharedBar(ProgressBar("exporting", isSilent: output.json))
    defer { bar.end() }
    let result: BundleWriter.Result
    do {
      result = try await connection.withClient { client in
        let request = BundleRequest(
          parameters: try await parameters(client), purpose: reason,
          mappings: words(with).compactMap { BundleRequest.Mapping(rawValue: $0) }, earlierSizes: sizes)
        return try await BundleWriter.write(
          request, into: target, program: "daybook \(BuildVersion.text)",
          asking: { try await client.call($0, $1) }, progress: { bar.show($0, $1, of: $2) })
      }
    } catch let error as EvidenceError {
      throw Failure(error.code == .folder ? .usage : .refused, error.description, next: error.next)
    }
    bar.end()
    let report = try BundleVerifier.verify(
      target, trusting: result.key, comparing: try checkpoint.map { try KeptCheckpoint($0).kept })
    try show(result, report, target)
  }

  private func show(_ result: BundleWriter.Result, _ report: BundleReport, _ target: String) throws {
    if output.json {
      Terminal.say(json: [
        "export": .string(result.terms.id.text), "folder": .string(target),
        "manifest_sha256": .string(result.manifest.hex), "report": .object(report.json),
        "terms": .object(result.terms.json), "verifier_key": .string(result.key.vkey),
      ])
    } else {
      Terminal.say("Wrote \(result.terms.events) records to \(target), as the export \(result.terms.id.text).")
      Terminal.say("SHA-256 of the manifest: \(result.manifest.hex)")
      if report.isProved {
        Terminal.say("Next: daybook verify-bundle \(folder) --key '\(result.key.vkey)'")
      } else {
        for line in report.lines { Terminal.say(line) }
      }
    }
    if !report.isProved { throw ExitCode.damaged }
  }

  private func parameters(_ client: DaybookClient) async throws -> JSONObject {
    var parameters = JSONObject()
    if let organization {
      parameters["organization_id"] = .string(try await Lookup.organization(organization, client))
    }
    let lists = [
      "resource_types": words(resourceType), "resource_ids": words(resource), "events": words(event),
      "about": words(about),
    ]
    for (name, texts) in lists where !texts.isEmpty { parameters[name] = .array(texts.map(JSON.string)) }
    for (name, text) in ["actor": actor, "since": since, "until": until] {
      if let text { parameters[name] = .string(text) }
    }
    for (name, number) in ["from": from, "to": to] { if let number { parameters[name] = .integer(number) } }
    let flags = ["whole_service": wholeService, "withhold_others": withholdOthers, "decrypted": decrypt]
    for (name, isSet) in flags where isSet { parameters[name] = true }
    return parameters
  }

  /// The words of an option that may be given several times, and several words at once.
  private func words(_ values: [String]) -> [String] {
    values.flatMap { $0.split(separator: ",").map(String.init) }
  }
}
