"""Four data sets, each made with a handful of named devices in rooms of its own.

Each imitates how a real data set was made and is named after none. Within one, live faces and
attacks share camera, room, pose and view, drawn before anything knows of a class. Between them all
is different, also what gives an attack away: papers and displays are warmer or cooler than the
room, paler or more vivid, darker or brighter, according to what was bought; so what tells attacks
in one misleads in another. What holds everywhere is physics: halftone, moire, mirrored lamps,
pictures taken twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from hfnmp_lite.simulate.devices import CameraDevice, Display, Light, Printer, table


@dataclass(frozen=True)
class Domain:
    """A data set: what it was made with.

    Attributes
    ----------
    name, like : str
        What it is called; whose way of being made it imitates.
    cameras : tuple of CameraDevice
        What the system sees through.
    attackers : tuple of CameraDevice
        What took the pictures that are printed and shown; `n` is that of their face crops.
    printers, displays : tuple of Printer, tuple of Display
    lights : tuple of Light
    bend : float
        Largest bend of a print, radians.
    edges : float
        Probability that a sheet or screen ends within the crop.
    tilt, roll : float
        Standard deviations of the camera's rotation against the scene, in degrees.
    zoom : float
        Standard deviation of the logarithm of the zoom.
    shift : float
        Standard deviation of the crop's position, in crop widths.
    """

    name: str
    like: str
    cameras: tuple[CameraDevice, ...]
    attackers: tuple[CameraDevice, ...]
    printers: tuple[Printer, ...]
    displays: tuple[Display, ...]
    lights: tuple[Light, ...]
    bend: float
    edges: float
    tilt: float
    roll: float
    zoom: float
    shift: float


# fmt: off
WEBCAM = Domain(
    name="webcam",
    like="Idiap Replay-Attack",
    cameras=table(CameraDevice, """
        cameras    | macbook
        like       | laptop webcam, 320 x 240
        n          | 112
        sigma      | 0.45
        fill_x     | 0.95
        fill_y     | 0.95
        shot       | 0.0012
        cast       | -0.06 0.06
        saturation | 0.72
        tone       | 0.9
        sharpen    | 0.5
        denoise    | 0.7
        jpeg       | 70
        exposure   | -0.15
        balance    | 0.85
        crop       | 0.3
        black      | 0.85
        flare      | 0.012
        vignette   | 0.15
    """),
    attackers=table(CameraDevice, """
        attackers  | powershot             | iphone-3gs
        like       | compact camera, 12 MP | phone of 2009, 3 MP
        n          | 90                    | 64
        sigma      | 0.35                  | 0.4
        fill_x     | 0.9                   | 0.9
        fill_y     | 0.9                   | 0.9
        shot       | 0.0003                | 0.0008
        cast       | 0.03 -0.03            | 0.02 -0.04
        saturation | 1                     | 1
        tone       | 0.4                   | 0.4
        sharpen    | 0.5                   | 0.3
        denoise    | 0.2                   | 0.3
        jpeg       | 90                    | 82
        exposure   | 0                     | 0
        balance    | 0.85                  | 0.85
        crop       | 0.3                   | 0.3
        black      | 0.45                  | 0.45
        flare      | 0.035                 | 0.035
        vignette   | 0.15                  | 0.15
    """),
    printers=table(Printer, """
        printers     | dcc2520
        like         | office laser, plain A4
        lpi          | 85
        face_mm      | 45 70
        paper        | 1.06 1 0.89
        contrast     | 0.83
        chroma       | 1.18
        dot_gain     | 0.12
        yule_nielsen | 1.8
        black_share  | 0.6
        grain        | 0.03
        fibre        | 0.005
        bands        | 0.02
        gloss        | 0 0
    """),
    displays=table(Display, """
        displays   | iphone-3gs       | ipad
        like       | phone, 480 x 320 | tablet, 1024 x 768
        ppi        | 163              | 132
        face_mm    | 20 28            | 28 40
        kelvin     | 5800             | 5800
        brightness | 0.81             | 0.87
        saturation | 1.06             | 1.05
        gamma      | 2.2              | 2.2
        black      | 0.005            | 0.003
        bands      | 0.1              | 0.08
        mirrors    | 0.12 0.4         | 0.12 0.4
        veil       | 0.016            | 0.016
        bezel      | 0.04             | 0.04
    """),
    lights=table(Light, """
        lights         | controlled | adverse
        key_kelvin     | 6200       | 7200
        ambient_kelvin | 5600       | 6600
        key_ratio      | 0.7 1.6    | 1.4 2.6
        level          | 1          | 0.7
        backgrounds    | wall       | curtain office
    """),
    bend=0.12, edges=0.45, tilt=3.0, roll=1.5, zoom=0.025, shift=0.012,
)

HANDHELD = Domain(
    name="handheld",
    like="MSU-MFSD",
    cameras=table(CameraDevice, """
        cameras    | macbook-air              | nexus-5
        like       | laptop webcam, 640 x 480 | phone of 2013, 720 x 480
        n          | 208                      | 256
        sigma      | 0.3                      | 0.28
        fill_x     | 0.8                      | 0.9
        fill_y     | 0.8                      | 0.5
        shot       | 0.0016                   | 0.0009
        cast       | 0.05 -0.06               | 0.07 -0.04
        saturation | 1.07                     | 1.13
        tone       | 0.72                     | 0.78
        sharpen    | 0.4                      | 0.6
        denoise    | 0.4                      | 0.3
        jpeg       | 76                       | 84
        exposure   | -0.14                    | -0.1
        balance    | 0.85                     | 0.85
        crop       | 0.3                      | 0.3
        black      | 0.68                     | 0.71
        flare      | 0.015                    | 0.015
        vignette   | 0.15                     | 0.15
    """),
    attackers=table(CameraDevice, """
        attackers  | canon-550d           | iphone-5s
        like       | reflex camera, 18 MP | phone of 2013, 8 MP
        n          | 150                  | 130
        sigma      | 0.32                 | 0.36
        fill_x     | 0.9                  | 0.9
        fill_y     | 0.9                  | 0.9
        shot       | 0.00015              | 0.0005
        cast       | -0.03 0.02           | -0.03 0.03
        saturation | 1.05                 | 1.1
        tone       | 0.4                  | 0.4
        sharpen    | 0.5                  | 0.4
        denoise    | 0.1                  | 0.3
        jpeg       | 92                   | 86
        exposure   | 0                    | 0
        balance    | 0.85                 | 0.85
        crop       | 0.3                  | 0.3
        black      | 0.45                 | 0.45
        flare      | 0.035                | 0.035
        vignette   | 0.15                 | 0.15
    """),
    printers=table(Printer, """
        printers     | cp6015xh
        like         | colour laser, bright A3 paper
        lpi          | 85
        face_mm      | 60 90
        paper        | 0.93 0.99 1.06
        contrast     | 0.83
        chroma       | 1.64
        dot_gain     | 0.12
        yule_nielsen | 1.8
        black_share  | 0.6
        grain        | 0.02
        fibre        | 0.005
        bands        | 0.02
        gloss        | 0.02 0.1
    """),
    displays=table(Display, """
        displays   | iphone-5s         | ipad-air
        like       | phone, 1136 x 640 | tablet, 2048 x 1536
        ppi        | 326               | 264
        face_mm    | 17 25             | 22 33
        kelvin     | 5300              | 5200
        brightness | 1.26              | 1.23
        saturation | 0.89              | 0.91
        gamma      | 2.2               | 2.2
        black      | 0.002             | 0.003
        bands      | 0.06              | 0.06
        mirrors    | 0.12 0.4          | 0.12 0.4
        veil       | 0.016             | 0.016
        bezel      | 0.04              | 0.04
    """),
    lights=table(Light, """
        lights         | office
        key_kelvin     | 4200
        ambient_kelvin | 4800
        key_ratio      | 0.7 2
        level          | 1
        backgrounds    | office
    """),
    bend=0.35, edges=0.5, tilt=6.0, roll=3.5, zoom=0.045, shift=0.02,
)

MIXED = Domain(
    name="mixed",
    like="CASIA-FASD",
    cameras=table(CameraDevice, """
        cameras    | usb-old                         | usb-new                   | nex-5
        like       | long-used USB camera, 640 x 480 | new USB camera, 480 x 640 | system camera, 1280 x 720
        n          | 144                             | 176                       | 320
        sigma      | 0.6                             | 0.4                       | 0.34
        fill_x     | 0.8                             | 0.8                       | 0.8
        fill_y     | 0.8                             | 0.8                       | 0.8
        shot       | 0.0025                          | 0.0018                    | 0.0006
        cast       | -0.09 0.05                      | -0.06 0.08                | -0.04 0.04
        saturation | 0.72                            | 0.78                      | 0.84
        tone       | 0.07                            | 0.13                      | 0.19
        sharpen    | 0.1                             | 0.4                       | 0.6
        denoise    | 0.5                             | 0.3                       | 0.2
        jpeg       | 70                              | 80                        | 90
        exposure   | 0.17                            | 0.2                       | 0.23
        balance    | 0.85                            | 0.85                      | 0.85
        crop       | 0.3                             | 0.3                       | 0.3
        black      | 0.12                            | 0.15                      | 0.18
        flare      | 0.07                            | 0.07                      | 0.07
        vignette   | 0.15                            | 0.15                      | 0.15
    """),
    attackers=table(CameraDevice, """
        attackers  | nex-5
        like       | system camera, 1280 x 720
        n          | 110
        sigma      | 0.34
        fill_x     | 0.8
        fill_y     | 0.8
        shot       | 0.0006
        cast       | 0.04 -0.04
        saturation | 1.1
        tone       | 0.7
        sharpen    | 0.4
        denoise    | 0.2
        jpeg       | 88
        exposure   | 0
        balance    | 0.85
        crop       | 0.3
        black      | 0.6
        flare      | 0.025
        vignette   | 0.15
    """),
    printers=table(Printer, """
        printers     | copper-paper
        like         | photo laser, copper paper
        lpi          | 85
        face_mm      | 60 100
        paper        | 1.02 0.98 0.95
        contrast     | 1.32
        chroma       | 1.54
        dot_gain     | 0.12
        yule_nielsen | 1.8
        black_share  | 0.6
        grain        | 0.025
        fibre        | 0.005
        bands        | 0.025
        gloss        | 0.02 0.1
    """),
    displays=table(Display, """
        displays   | ipad
        like       | tablet, 1024 x 768
        ppi        | 132
        face_mm    | 48 72
        kelvin     | 6000
        brightness | 1.18
        saturation | 0.93
        gamma      | 2.2
        black      | 0.003
        bands      | 0.08
        mirrors    | 0.12 0.4
        veil       | 0.016
        bezel      | 0.04
    """),
    lights=table(Light, """
        lights         | room
        key_kelvin     | 6000
        ambient_kelvin | 6800
        key_ratio      | 0.8 2.4
        level          | 1
        backgrounds    | wall curtain office outdoor
    """),
    bend=0.35, edges=0.5, tilt=5.0, roll=2.5, zoom=0.045, shift=0.016,
)

PHONE = Domain(
    name="phone",
    like="OULU-NPU",
    cameras=table(CameraDevice, """
        cameras    | desire-eye       | galaxy-s6       | meizu-x5        | asus-zenfone     | sony-xperia      | oppo-n3
        like       | phone 2014 13 MP | phone 2015 5 MP | phone 2014 5 MP | phone 2015 13 MP | phone 2014 13 MP | phone 2014 16 MP
        n          | 320              | 320             | 304             | 312              | 320              | 296
        sigma      | 0.28             | 0.3             | 0.34            | 0.36             | 0.26             | 0.32
        fill_x     | 0.9              | 0.8             | 0.8             | 0.7              | 0.9              | 0.8
        fill_y     | 0.9              | 0.8             | 0.8             | 0.7              | 0.9              | 0.8
        shot       | 0.0006           | 0.0004          | 0.0007          | 0.0008           | 0.0005           | 0.0005
        cast       | 0.05 -0.05       | 0.06 -0.03      | 0.03 -0.07      | 0.07 -0.06       | 0.04 -0.04       | 0.05 -0.07
        saturation | 0.95             | 0.99            | 1.03            | 1.07             | 1.11             | 1.15
        tone       | 0.3              | 0.35            | 0.4             | 0.45             | 0.5              | 0.55
        sharpen    | 0.6              | 0.8             | 0.5             | 0.7              | 0.7              | 0.5
        denoise    | 0.4              | 0.6             | 0.5             | 0.5              | 0.4              | 0.5
        jpeg       | 92               | 93              | 90              | 90               | 92               | 91
        exposure   | 0.1              | 0.1             | 0.1             | 0.1              | 0.1              | 0.1
        balance    | 0.85             | 0.85            | 0.85            | 0.85             | 0.85             | 0.85
        crop       | 0.3              | 0.3             | 0.3             | 0.3              | 0.3              | 0.3
        black      | 0.35             | 0.35            | 0.35            | 0.35             | 0.35             | 0.35
        flare      | 0.045            | 0.045           | 0.045           | 0.045            | 0.045            | 0.045
        vignette   | 0.15             | 0.15            | 0.15            | 0.15             | 0.15             | 0.15
    """),
    attackers=table(CameraDevice, """
        attackers  | galaxy-s6-rear
        like       | phone of 2015, rear 16 MP
        n          | 170
        sigma      | 0.3
        fill_x     | 0.9
        fill_y     | 0.9
        shot       | 0.0003
        cast       | -0.03 0.04
        saturation | 1
        tone       | 0.7
        sharpen    | 0.6
        denoise    | 0.3
        jpeg       | 92
        exposure   | 0
        balance    | 0.85
        crop       | 0.3
        black      | 0.6
        flare      | 0.025
        vignette   | 0.15
    """),
    printers=table(Printer, """
        printers     | c6011                       | pixma
        like         | production laser, A3 glossy | inkjet, A3 glossy
        lpi          | 133                         | 0
        face_mm      | 55 80                       | 55 80
        paper        | 0.95 0.99 1.05              | 0.94 0.99 1.06
        contrast     | 1.17                        | 1.16
        chroma       | 1.21                        | 1.24
        dot_gain     | 0.12                        | 0.12
        yule_nielsen | 1.8                         | 1.8
        black_share  | 0.6                         | 0.6
        grain        | 0.02                        | 0.05
        fibre        | 0.005                       | 0.003
        bands        | 0.006                       | 0.015
        gloss        | 0.03 0.12                   | 0.03 0.12
    """),
    displays=table(Display, """
        displays   | dell-1905fp          | macbook-retina
        like       | monitor, 1280 x 1024 | laptop, 2560 x 1600
        ppi        | 86                   | 227
        face_mm    | 75 110               | 30 45
        kelvin     | 5600                 | 5800
        brightness | 0.89                 | 0.92
        saturation | 1.05                 | 1.07
        gamma      | 2.2                  | 2.2
        black      | 0.005                | 0.002
        bands      | 0.08                 | 0.05
        mirrors    | 0.12 0.4             | 0.12 0.4
        veil       | 0.016                | 0.016
        bezel      | 0.04                 | 0.04
    """),
    lights=table(Light, """
        lights         | session-1 | session-2   | session-3
        key_kelvin     | 4800      | 4300        | 5200
        ambient_kelvin | 5600      | 5000        | 6000
        key_ratio      | 0.8 2     | 0.7 1.6     | 1.2 2.6
        level          | 1.2       | 0.9         | 1
        backgrounds    | office    | office wall | outdoor office
    """),
    bend=0.12, edges=0.0, tilt=5.0, roll=3.0, zoom=0.035, shift=0.016,
)
# fmt: on

DOMAINS: dict[str, Domain] = {d.name: d for d in (WEBCAM, HANDHELD, MIXED, PHONE)}

# What was changed after the first choice from the physics, and on which rows of the regime's table.
# Never on a comparison of patterns. One build and one seed each; AUC of the statistics before an
# unseen domain, and of the RGB network, are means over the domains measured.
CHANGES: tuple[str, ...] = (
    "First choice, papers and displays turned against each other in warmth, lightness, chroma and "
    "brightness, cameras of one style, attackers' pictures finer than now: statistics alone 16.6 % "
    "EER (40 subjects), unseen AUC .81. Shifts were doubled and attackers' pictures made coarser "
    "(statistics alone, unseen).",
    "Camera styles (tone, black level, flare) turned against the attacks as well, fully: statistics "
    "unseen .60, but the network unseen .31 and .45, home 9 to 14 %. Taken back to four tenths; "
    "screens nearer, so that moire is there (network unseen, home).",
    "Then statistics unseen .85, network unseen .80, replays alone .66: mirrored lamps brighter and "
    "in every replay, displays nearer to the room (network unseen): .84 and .86.",
    "Lamps kept off the face, camera styles at two thirds: statistics .65, network .40; at a half: "
    ".78 and .69. Lamps may lie anywhere again (network over statistics).",
    "All shifts of papers and displays cut to a half, so that shortcuts alone no longer suffice at "
    "home; cameras differ in style by much instead: statistics .78, network .88, home 5 %.",
    "`handheld` and `phone` pushed further for one unseen AUC of the statistics below .62: reached "
    "(.617), but the network fell to .59 to .73 before `phone`. Both taken back: the network .91 "
    "unseen (.887 to .948; HTER 15.5 to 19.5 %), at home .993 and 4.7 %; the statistics .79 unseen, "
    "lowest .73, so that their unseen row is still missed.",
    "Three more builds for the statistics' unseen row, trims of every domain's cameras (tone, black, "
    "exposure, flare, saturation): .780 to .778 reached, lowest .70, but the network then erred by "
    "21 to 36 % before `phone` and 24 % before `handheld`. Not taken: that row stays missed at .79 "
    "and .73. Frozen here; runs of the table since then, with another split of the sources, err by "
    "16 to 35 % (mean 26): one seed was too few to calibrate by.",
)
