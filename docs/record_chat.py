"""Makes `docs/chat.png`, the picture in the README, from a real chat in a real terminal. Run by `make picture`."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from tests.integration.terminal import CTRL_C, CTRL_D, Terminal, chatting
from tests.stack import OPEN, open_stack
from tests.stack.seed import TOOLS, make_agent

PICTURE = Path(__file__).with_name("chat.png")
FONTS = Path(str(files("fontpkg_jetbrains_mono"))) / "files"
REGULAR, BOLD = 400, 700
SIZE = 15
LINE = 21
EDGE = 16
PALETTE = 64
PAPER = "#272822"
INK = "#f8f8f2"
COLOURS = {
    "black": "#272822",
    "red": "#f92672",
    "green": "#a6e22e",
    "brown": "#e6db74",
    "blue": "#66d9ef",
    "magenta": "#ae81ff",
    "cyan": "#66d9ef",
    "white": "#f8f8f2",
    "brightblack": "#9a978a",
}
"""A terminal's colours by pyte's names, which has brown for yellow."""


def main() -> None:
    """Chat with an agent of the scripted model, and keep what the screen shows."""
    with open_stack(OPEN) as letta:
        agent_id = make_agent(letta, "Ada", tools=TOOLS)
        with chatting(letta.base_url, "--agent", agent_id) as screen:
            _chat(screen)
            _draw(screen)
            screen.press(CTRL_D)
            screen.until_end()


def _chat(screen: Terminal) -> None:
    def say(line: str, *, until: str) -> None:
        screen.until_prompt()
        screen.say(line)
        screen.until(until)

    say("/new Bo's colours", until="Ada · Bo's colours >")
    say("Hello! My name is Bo and my favourite colour is green.", until="Ada: echo: Hello!")
    say("#reason Bo told me that a moment ago.# What is my favourite colour?", until="Ada: You said:")
    say('#say Let me see.# #tool lookup {"query": "paint"} Is there any?', until='"found paint"')
    say('#tool delete_everything {"where": "the shed"} Tidy up!', until="[n]ot now:")
    screen.say("d")
    screen.until("denied")
    say("#drip 0.1 #long 99", until="w11")
    screen.press(CTRL_C)
    screen.until("Stopped.")
    say("/list", until="*  1")
    screen.until_prompt()


def _draw(screen: Terminal) -> None:
    step = _font(bold=False, italic=False).getlength("M")
    columns, rows = screen.screen.columns, screen.screen.cursor.y + 1
    image = Image.new("RGB", (round(step * columns) + 2 * EDGE, LINE * rows + 2 * EDGE), PAPER)
    draw = ImageDraw.Draw(image)
    for row in range(rows):
        for column in range(columns):
            char = screen.screen.buffer[row][column]
            if char.data.strip():
                font = _font(bold=char.bold, italic=char.italics)
                draw.text(
                    (EDGE + column * step, EDGE + row * LINE), char.data, fill=COLOURS.get(char.fg, INK), font=font
                )
    about = PngImagePlugin.PngInfo()
    # So that a test can tell whether it still shows the chat as it is.
    about.add_itxt("Description", screen.text)
    image.quantize(PALETTE).save(PICTURE, pnginfo=about, optimize=True)


@cache
def _font(*, bold: bool, italic: bool) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(FONTS / f"JetBrainsMono{'-Italic' if italic else ''}[wght].ttf", SIZE)
    font.set_variation_by_axes([BOLD if bold else REGULAR])
    return font


if __name__ == "__main__":
    main()
