"""`actalog doctor`."""

from actalog.cli.common import FINE, WRONG, Json, carry_out


def doctor(json: Json = False) -> None:
    """Find what is wrong, and say what mends it. Looks at settings, database, topics and more."""
    carry_out(_doctor(json))


async def _doctor(json: bool) -> int:
    from actalog.cli.examining import examine
    from actalog.cli.output import console, mark, write_json

    findings = [found async for found in examine()]
    if json:
        write_json(findings)
    else:
        from rich.text import Text

        out = console()
        for one in findings:
            out.print(Text.assemble(mark(one.fine), " ", (f"{one.what:<11}", "bold"), one.said))
            if one.mend:
                out.print(Text(f"             {one.mend}", style="yellow"))
    return FINE if all(one.fine for one in findings) else WRONG
