/// How the report looks: dark on white with a contrast of more than 7:1, in the reader's own fonts, and on paper with
/// the headings of tables on each page.
enum ReportStyle {
  static let sheet = """
    body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0; }
    main { max-width: 72rem; margin: 0 auto; padding: 1.5rem; }
    h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; }
    dt { font-weight: 600; } dd { margin: 0; }
    table { border-collapse: collapse; width: 100%; font-size: .875rem; }
    caption { text-align: left; color: #444; padding: .25rem 0; }
    th, td { text-align: left; vertical-align: top; padding: .25rem .5rem; border-bottom: 1px solid #bbb; }
    td, th, dd { overflow-wrap: anywhere; }
    .id, pre { font-family: ui-monospace, monospace; font-size: .8rem; }
    pre { background: #f2f2f2; padding: .75rem; white-space: pre-wrap; }
    .mark { border: 2px solid #8a0000; color: #8a0000; padding: .5rem .75rem; font-weight: 600; }
    figure { margin: 0; } svg { width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: #1a1a1a; }
    .bars rect { fill: #1f4e79; } .axis { stroke: #1a1a1a; }
    summary:focus-visible { outline: 3px solid #1f4e79; }
    @media print {
      main { max-width: none; padding: 0; } thead { display: table-header-group; }
      tr, figure { break-inside: avoid; } h2 { break-after: avoid; } .bars rect { print-color-adjust: exact; }
    }
    """
}
